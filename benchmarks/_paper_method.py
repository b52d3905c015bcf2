"""The data phases as the paper's project did them, to be timed beside this project's (see `data_phases.py`).

The method: RDDs of text lines, split in Python; a join by movie; `groupByKey` by user; a dense array per user; nothing
cached; every RDD in W partitions; a `count()` that closes each phase. It is slow on purpose: do not make it faster.

Two choices that the description leaves open are made in the paper's favour. `--partitioning coalesce`, the default,
gets the lines into W partitions without a shuffle (the paper's DAG has none before the join); `--partitioning
repartition` shuffles every line through Python first, which at 1.9 M ratings, on a busy machine, made loading 1.5 to
3.9 times as long (four pairs of runs). The statistics are two passes over the join: ratings per movie and per user.

    python benchmarks/_paper_method.py --ratings ml-25m/ratings.csv --movies ml-25m/movies.csv \\
        --year-from 1950 --year-to 1960 --workers 8 --driver-memory 9g --out paper.json
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from _process_tree import RESULT_HELP, PeakPss, write_result
from numpy.typing import NDArray
from pyspark.sql import SparkSession

RDD = Any  # pyspark's RDD is generic, but its transformations lose the type on the way
T = TypeVar("T")
YEAR = re.compile(r"\((\d{4})\)\s*$")
HIGHEST_RATING = 5.0  # the top of MovieLens' scale


def parse_rating(line: str) -> tuple[int, tuple[int, float]]:
    """`userId,movieId,rating,timestamp` as (movie, (user, rating)), keyed for the join."""
    fields = line.split(",")
    return int(fields[1]), (int(fields[0]), float(fields[2]))


def parse_movie(line: str) -> tuple[int, tuple[str, int | None]]:
    """`movieId,title,genres`, the title quoted where it has a comma, as (movie, (title, year))."""
    fields = next(csv.reader([line]))
    match = YEAR.search(fields[1])
    return int(fields[0]), (fields[1], int(match.group(1)) if match else None)


def dense_array(ratings: Iterable[tuple[int, float]], index: dict[int, int]) -> NDArray[np.float64]:
    """One user's ratings over all movies, scaled to [0, 1], 0 where not rated."""
    array = np.zeros(len(index))
    for movie, rating in ratings:
        array[index[movie]] = rating / HIGHEST_RATING
    return array


class PaperMethod:
    """The phases in order; each one closes with an action, and `seconds` holds what it took."""

    def __init__(self, spark: SparkSession, workers: int, partitioning: str) -> None:
        self.context = spark.sparkContext
        self.workers = workers
        self.shuffle = partitioning == "repartition"
        self.seconds: dict[str, float] = {}

    def run(self, ratings: str, movies: str, year_from: int, year_to: int) -> dict[str, int]:
        """Runs all phases on two CSV paths (a file or a folder of part files) and returns the selection's counts."""
        rating_lines, movie_lines = self._phase("data_loading", lambda: self._load(ratings, movies))
        all_ratings = self._phase("ratings_transformation", lambda: self._ratings(rating_lines))
        selected = self._phase("movies_transformation", lambda: self._movies(movie_lines, year_from, year_to))
        joined = self._phase("data_integration", lambda: self._join(all_ratings, selected))
        counts, index = self._phase("statistical_analysis", lambda: self._statistics(joined))
        self._phase("ratings_arrays", lambda: self._arrays(joined, index))
        return counts

    def _phase(self, name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - start
        return result

    def _load(self, ratings: str, movies: str) -> tuple[RDD, RDD]:
        rating_lines = self._lines(ratings)
        movie_lines = self._lines(movies)
        rating_lines.count()
        movie_lines.count()
        return rating_lines, movie_lines

    def _lines(self, path: str) -> RDD:
        return self.context.textFile(path, self.workers).coalesce(self.workers, shuffle=self.shuffle)

    def _ratings(self, lines: RDD) -> RDD:
        # Every part file starts with a header line of its own.
        ratings = lines.filter(lambda line: not line.startswith("userId")).map(parse_rating)
        ratings.count()
        return ratings

    def _movies(self, lines: RDD, year_from: int, year_to: int) -> RDD:
        movies = lines.filter(lambda line: not line.startswith("movieId")).map(parse_movie)
        selected = movies.filter(lambda movie: movie[1][1] is not None and year_from <= movie[1][1] <= year_to)
        selected.count()
        return selected

    def _join(self, ratings: RDD, movies: RDD) -> RDD:
        joined = ratings.join(movies, self.workers)
        joined.count()
        return joined

    def _statistics(self, joined: RDD) -> tuple[dict[str, int], dict[int, int]]:
        per_movie = joined.keys().countByValue()
        per_user = joined.map(lambda row: row[1][0][0]).countByValue()
        counts = {"movies": len(per_movie), "users": len(per_user), "ratings": sum(per_movie.values())}
        return counts, {movie: position for position, movie in enumerate(sorted(per_movie))}

    def _arrays(self, joined: RDD, index: dict[int, int]) -> RDD:
        shared = self.context.broadcast(index)
        by_user = joined.map(lambda row: (row[1][0][0], (row[0], row[1][0][1]))).groupByKey(self.workers)
        arrays = by_user.mapValues(lambda ratings: dense_array(ratings, shared.value))
        arrays.count()
        return arrays


def start_spark(workers: int, driver_memory: str) -> SparkSession:
    """A local session with the paper's settings; the UI is off, as it only costs."""
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else the workers take the first python3 on PATH
    builder = SparkSession.builder.master(f"local[{workers}]").appName("paper-method")
    builder = builder.config("spark.driver.memory", driver_memory).config("spark.driver.maxResultSize", "2g")
    builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    return builder.config("spark.executor.memory", "2g").getOrCreate()


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", required=True, help="ratings.csv, a file or a folder of part files")
    parser.add_argument("--movies", required=True, help="movies.csv, a file or a folder of part files")
    parser.add_argument("--year-from", type=int, default=1950)
    parser.add_argument("--year-to", type=int, default=1960)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--driver-memory", default="9g")
    parser.add_argument("--partitioning", choices=["coalesce", "repartition"], default="coalesce")
    parser.add_argument("--pss-interval", type=float, default=1.0, help="seconds between memory samples; 0: none")
    parser.add_argument("--out", type=Path, help=RESULT_HELP)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    peak = PeakPss(os.getpid(), options.pss_interval) if options.pss_interval > 0 else None
    with peak or nullcontext():
        spark = start_spark(options.workers, options.driver_memory)
        spark.sparkContext.setLogLevel("ERROR")
        method = PaperMethod(spark, options.workers, options.partitioning)
        counts = method.run(options.ratings, options.movies, options.year_from, options.year_to)
        spark.stop()
    result = {"phases": method.seconds, **counts, "peak_pss_bytes": peak.peak_bytes if peak else None}
    write_result(result, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
