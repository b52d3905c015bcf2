"""Generated data in MovieLens 25M's shape, written by Spark in parallel.

What is generated depends on `scale` and `seed` only: the driver draws the population and everything that must add up
(`_population.py`), the executors draw each chunk of users from a random stream of its own (`_choices.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark import AccumulatorParam
from pyspark.sql import SparkSession

from recsys.data.sources.synthetic.choices import LEVELS, Chunk, chunks_of, make_chunk, rating_moments, solve_thresholds
from recsys.data.sources.synthetic.population import GENRES, Population, generator, make_population
from recsys.data.sources.synthetic.shape import ERAS, sizes_at
from recsys.data.sources.synthetic.titles import title_forms, titles
from recsys.errors import ConfigError, DataError
from recsys.files import Files

VERSION = 1  # of what a scale and a seed give; rises whenever they give something else
FACTS_FILE = "synthetic.json"
SMALLEST_SCALE = 0.0005
_CHUNK_MOVIES = 2048
_RATING_COLUMNS = "userId int, movieId int, rating double, timestamp bigint"
_MOVIE_COLUMNS = "movieId int, title string, genres string"


@dataclass(frozen=True)
class RangeFacts:
    """What a range of years holds, both inclusive."""

    year_from: int
    year_to: int
    rated_movies: int
    users: int
    ratings: int


@dataclass(frozen=True)
class SyntheticFacts:
    """What is known of generated data, counted while it was made.

    `best_rmse` is the root mean square error, over all ratings, of the best prediction there is: each rating's mean
    given the model's true parameters. No model can be expected to do better. It comes from the model's variances;
    `best_rmse_drawn` is the same from the ratings as drawn. `rating_deviation` is the RMSE of always answering
    `mean_rating`.
    """

    version: int
    scale: float
    seed: int
    users: int
    movies: int
    rated_movies: int
    ratings: int
    ratings_by_value: dict[str, int]
    mean_rating: float
    rating_deviation: float
    best_rmse: float
    best_rmse_drawn: float
    ranges: tuple[RangeFacts, ...]


def find_generated(spark: SparkSession, directory: str, *, scale: float, seed: int) -> SyntheticFacts | None:
    """The facts of data that `generate` has wholly written to `directory` with these settings; None without them."""
    files, where = Files(spark, directory), f"{directory.rstrip('/')}/{FACTS_FILE}"
    facts = json.loads(files.read(where) or "{}") if files.exists(where) else {}
    if [facts.get(name) for name in ("version", "scale", "seed")] != [VERSION, scale, seed]:
        return None
    return SyntheticFacts(**{**facts, "ranges": tuple(RangeFacts(**years) for years in facts["ranges"])})


def generate(
    spark: SparkSession, directory: str, *, scale: float, seed: int, partitions: int | None = None
) -> SyntheticFacts:
    """Write ratings.csv, movies.csv (folders of part files) and, last, synthetic.json to `directory`.

    `directory` is any path that Spark can write to. `partitions` is the number of files of ratings; it changes nothing
    in the rows or their order.
    """
    if not SMALLEST_SCALE <= scale < float("inf"):
        raise ConfigError(f"scale is {scale}: give a number of at least {SMALLEST_SCALE} (1 is MovieLens 25M's size)")
    if seed < 0:
        raise ConfigError(f"seed is {seed}: give a whole number from 0 up")
    context = spark.sparkContext
    directory = directory.rstrip("/")
    files = Files(spark, directory)
    files.delete(f"{directory}/{FACTS_FILE}")

    population = make_population(sizes_at(scale), seed)
    thresholds = solve_thresholds(population)
    tally = context.accumulator(Tally.empty(), _TallyParam())
    chunks = chunks_of(population.users)
    if partitions is None:  # four a core even out cores of unequal speed
        partitions = 4 * context.defaultParallelism
    broadcast = context.broadcast((population, thresholds))
    try:
        (
            spark.range(0, chunks, 1, min(chunks, partitions))
            .mapInArrow(partial(_rating_batches, broadcast=broadcast, tally=tally), _RATING_COLUMNS)
            .write.csv(f"{directory}/ratings.csv", mode="overwrite", header=True)
        )
        movie_chunks = -(-population.movies // _CHUNK_MOVIES)
        (
            spark.range(0, movie_chunks, 1, min(movie_chunks, context.defaultParallelism))
            .mapInArrow(partial(_movie_batches, broadcast=broadcast), _MOVIE_COLUMNS)
            # MovieLens doubles quotes and keeps blanks; Spark's own defaults are backslashes and trimming.
            .write.csv(
                f"{directory}/movies.csv",
                mode="overwrite",
                header=True,
                escape='"',
                ignoreLeadingWhiteSpace=False,
                ignoreTrailingWhiteSpace=False,
            )
        )
    finally:
        broadcast.destroy()
    if not any(name.startswith("part-") for name in files.names(f"{directory}/ratings.csv")):
        raise DataError(
            f"{directory}: the executors wrote the generated ratings to their own disks, where this machine sees "
            "nothing: set data.data_dir to a folder that all machines see"
        )
    facts = _facts(scale, population, tally.value)
    files.write(f"{directory}/{FACTS_FILE}", json.dumps(asdict(facts), indent=2) + "\n")
    return facts


def _rating_batches(batches: Iterable[Any], broadcast: Any, tally: Any) -> Iterator[Any]:
    """mapInArrow: chunk numbers in, ratings out."""
    population, thresholds = broadcast.value
    for batch in batches:
        for chunk in batch.column(0).to_pylist():
            made = make_chunk(population, chunk, thresholds)
            tally.add(Tally.of(population, thresholds, chunk, made))
            columns = {
                "userId": made.users + np.int32(1),
                "movieId": population.movie_ids[made.movies],
                "rating": (made.levels + 1) / 2,
                "timestamp": made.timestamps,
            }
            yield batch.from_pydict(columns)  # by way of the batch, as PySpark alone need know Arrow


def _movie_batches(batches: Iterable[Any], broadcast: Any) -> Iterator[Any]:
    """mapInArrow: chunk numbers in, movies out."""
    population, _ = broadcast.value
    forms = title_forms(population.movie_years, generator(population.seed, 6))
    for batch in batches:
        for chunk in batch.column(0).to_pylist():
            part = slice(chunk * _CHUNK_MOVIES, (chunk + 1) * _CHUNK_MOVIES)
            genres = [
                "|".join(sorted(g for bit, g in enumerate(GENRES) if bits >> bit & 1))
                for bits in population.movie_genres[part].tolist()
            ]
            columns = {
                "movieId": population.movie_ids[part],
                "title": titles(population.movie_years[part], forms[part], generator(population.seed, 7, chunk)),
                "genres": genres,
            }
            yield batch.from_pydict(columns)


@dataclass
class Tally:
    """Sums over chunks. Each chunk's are kept until the end, so that a chunk that Spark ran twice counts once."""

    sums: dict[int, NDArray[np.float64]]
    rated: NDArray[np.bool_] | None

    @staticmethod
    def empty() -> Tally:
        return Tally({}, None)

    @staticmethod
    def of(population: Population, thresholds: NDArray[np.float64], number: int, chunk: Chunk) -> Tally:
        """Of one chunk: squared errors by variance and as drawn, ratings by value, users and ratings by range."""
        rated = np.zeros(population.movies, dtype=bool)
        rated[chunk.movies] = True
        mean, variance = rating_moments(chunk.signals, thresholds)
        by_value = np.bincount(chunk.levels, minlength=LEVELS)
        drawn = (((chunk.levels + 1) / 2 - mean) ** 2).sum()
        era = population.movie_era[chunk.movies]
        within = [chunk.users[era <= last] for last in range(len(ERAS) - 1)]
        users, ratings = [len(np.unique(u)) for u in within], [len(u) for u in within]
        return Tally({number: np.array([variance.sum(), drawn, *by_value, *users, *ratings])}, rated)

    def merge(self, other: Tally) -> Tally:
        self.sums |= other.sums
        if other.rated is not None:
            self.rated = other.rated if self.rated is None else self.rated | other.rated
        return self

    def total(self) -> NDArray[np.float64]:
        return np.asarray(np.sum([self.sums[chunk] for chunk in sorted(self.sums)], axis=0), dtype=np.float64)


class _TallyParam(AccumulatorParam[Tally]):
    def zero(self, value: Tally) -> Tally:
        return Tally.empty()

    def addInPlace(self, value1: Tally, value2: Tally) -> Tally:
        return value1.merge(value2)


def _facts(scale: float, population: Population, tally: Tally) -> SyntheticFacts:
    total, rated = tally.total(), tally.rated
    assert rated is not None
    ranges = len(ERAS) - 1
    squares, drawn = total[:2]
    by_value, users, ratings = np.split(total[2:].astype(np.int64), [LEVELS, LEVELS + ranges])
    n = int(by_value.sum())
    values = np.arange(1, LEVELS + 1) / 2
    mean = float(by_value @ values / n)
    return SyntheticFacts(
        version=VERSION,
        scale=scale,
        seed=population.seed,
        users=population.users,
        movies=population.movies,
        rated_movies=int(rated.sum()),
        ratings=n,
        ratings_by_value={str(v): int(c) for v, c in zip(values.tolist(), by_value.tolist(), strict=True)},
        mean_rating=mean,
        rating_deviation=float(np.sqrt(by_value @ (values - mean) ** 2 / n)),
        best_rmse=float(np.sqrt(squares / n)),
        best_rmse_drawn=float(np.sqrt(drawn / n)),
        ranges=tuple(
            RangeFacts(
                ERAS[0].first, ERAS[i].last, int(rated[population.movie_era <= i].sum()), int(users[i]), int(ratings[i])
            )
            for i in range(ranges)
        ),
    )
