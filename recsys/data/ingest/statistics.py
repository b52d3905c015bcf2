"""Counts, density and quantiles of the selected ratings, as in the paper's third step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys.data.blocks import blocks_of_batch

_KIND, _VALUE, _COUNT = "kind", "value", "count"
# the kinds of counts: ratings by movie code, ratings by value, users by their number of ratings
_KINDS = _MOVIE, _RATING, _USER = 0, 1, 2
_MOST_VALUES = 200
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Statistics:
    """Counts of the selection; `movie_counts` has the number of ratings of every known movie, by code."""

    users: int
    movies: int
    ratings: int
    rating_counts: dict[float, int]  # by value
    user_histogram: dict[int, int]  # ratings of a user -> users with so many
    movie_counts: np.ndarray  # int64

    def summary(self) -> dict[str, Any]:
        """The entries of statistics.json on the selection."""
        per_movie = self.movie_counts[self.movie_counts > 0]
        values, counts = np.unique(per_movie, return_counts=True)
        cells = self.users * self.movies
        total = sum(value * count for value, count in self.rating_counts.items())
        return {
            "users": self.users,
            "movies": self.movies,
            "ratings": self.ratings,
            "rating_array_values": cells,
            "density": self.ratings / cells if cells else 0.0,
            "mean_rating": total / self.ratings if self.ratings else None,
            "ratings_by_value": _by_value(self.rating_counts),
            "rating_values": _spread(self.rating_counts),
            "ratings_per_user": describe(self.user_histogram),
            "ratings_per_movie": describe({int(v): int(c) for v, c in zip(values, counts, strict=True)}),
        }


def _by_value(counts: dict[float, int]) -> dict[str, int] | None:
    """How often each value occurs; None where there are too many to read."""
    if len(counts) > _MOST_VALUES:
        return None
    return {f"{value:g}": count for value, count in sorted(counts.items())}


def _spread(counts: dict[float, int]) -> dict[str, float] | None:
    """The lowest, the middle and the highest value."""
    if not counts:
        return None
    values = np.array(sorted(counts))
    ends = np.cumsum([counts[value] for value in values.tolist()])
    middle = values[np.searchsorted(ends, (ends[-1] - 1) // 2, side="right")]
    return {"min": float(values[0]), "median": float(middle), "max": float(values[-1])}


def count_ratings(gathered: DataFrame, known_movies: int) -> Statistics:
    """The statistics of blocks of movie codes. The driver gets a row for each movie, not for each rating."""

    def partial(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for block in blocks_of_batch(batch):
                per_movie = np.bincount(block.indices)
                rated = np.flatnonzero(per_movie)
                counts = [(pa.array(rated), pa.array(per_movie[rated]))]
                counts += [
                    pc.value_counts(pa.array(values)).flatten() for values in (block.ratings, np.diff(block.indptr))
                ]
                columns = {
                    _KIND: pa.array(np.repeat(_KINDS, [len(values) for values, _ in counts]).astype(np.int8)),
                    _VALUE: pa.concat_arrays([values.cast(pa.float64()) for values, _ in counts]),
                    _COUNT: pa.concat_arrays([numbers for _, numbers in counts]),
                }
                yield pa.RecordBatch.from_pydict(columns)

    counted = gathered.mapInArrow(partial, f"{_KIND} tinyint, {_VALUE} double, {_COUNT} bigint")
    # one job for the three kinds
    counts = counted.groupBy(_KIND, _VALUE).agg(F.sum(_COUNT).alias(_COUNT)).toArrow()
    kinds, values, numbers = (counts[name].to_numpy() for name in (_KIND, _VALUE, _COUNT))
    movie_counts = np.zeros(known_movies, np.int64)
    movie_counts[values[kinds == _MOVIE].astype(np.int64)] = numbers[kinds == _MOVIE]
    by_value, by_user = (
        zip(values[kinds == kind].tolist(), numbers[kinds == kind].tolist(), strict=True) for kind in (_RATING, _USER)
    )
    user_histogram = {int(length): users for length, users in by_user}
    return Statistics(
        users=sum(user_histogram.values()),
        movies=int((movie_counts > 0).sum()),
        ratings=int(movie_counts.sum()),
        rating_counts=dict(by_value),
        user_histogram=user_histogram,
        movie_counts=movie_counts,
    )


def describe(histogram: dict[int, int]) -> dict[str, float]:
    """Mean and quantiles (linear between neighbours, as NumPy's) of values given as value -> how often."""
    if not histogram:
        return {}
    values = np.array(sorted(histogram), np.float64)
    counts = np.array([histogram[int(value)] for value in values], np.int64)
    ends = np.cumsum(counts)
    total = int(ends[-1])
    result = {"mean": float((values * counts).sum() / total)}
    for quantile in QUANTILES:
        position = quantile * (total - 1)
        low, high = values[np.searchsorted(ends, [np.floor(position), np.ceil(position)], side="right")]
        name = {0.0: "min", 0.5: "median", 1.0: "max"}.get(quantile, f"q{quantile * 100:g}")
        result[name] = float(low + (high - low) * (position - np.floor(position)))
    return result
