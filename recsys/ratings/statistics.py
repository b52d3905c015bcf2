"""What the selected ratings are like: counts, density and quantiles, in the manner of the paper's third step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys.columns import CODE, RATING
from recsys.ratings.blocks import blocks_of_batch

_COUNT = "count"
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
        """What statistics.json says of the selection."""
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
            "ratings_by_value": {f"{value:g}": count for value, count in sorted(self.rating_counts.items())},
            "ratings_per_user": describe(self.user_histogram),
            "ratings_per_movie": describe({int(v): int(c) for v, c in zip(values, counts, strict=True)}),
        }


def count_ratings(gathered: DataFrame, known_movies: int) -> Statistics:
    """The statistics of blocks of movie codes; what comes to the driver grows with movies, never with ratings."""

    def partial(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for block in blocks_of_batch(batch):
                values, kinds = np.unique(block.ratings, return_inverse=True)
                cells = np.bincount(block.indices.astype(np.int64) * len(values) + kinds)
                found = np.flatnonzero(cells)
                lengths, users = np.unique(np.diff(block.indptr), return_counts=True)
                columns = {
                    CODE: pa.array(np.append(found // len(values), np.full(len(lengths), -1)).astype(np.int32)),
                    RATING: pa.array(np.append(values[found % len(values)], lengths).astype(np.float64)),
                    _COUNT: pa.array(np.append(cells[found], users)),
                }
                yield pa.RecordBatch.from_pydict(columns)

    # one job for both: how often each movie got each rating, and (code -1) how many users have so many ratings
    counted = gathered.mapInArrow(partial, f"{CODE} int, {RATING} double, {_COUNT} bigint")
    rows = counted.groupBy(CODE, RATING).agg(F.sum(_COUNT)).collect()
    per_user = [(int(length), users) for code, length, users in rows if code < 0]
    per_cell = [row for row in rows if row[0] >= 0]
    movie_counts = np.zeros(known_movies, np.int64)
    rating_counts: dict[float, int] = {}
    for code, rating, count in per_cell:
        movie_counts[code] += count
        rating_counts[rating] = rating_counts.get(rating, 0) + count
    return Statistics(
        users=sum(users for _, users in per_user),
        movies=int((movie_counts > 0).sum()),
        ratings=int(movie_counts.sum()),
        rating_counts=rating_counts,
        user_histogram={count: users for count, users in per_user},
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
        place = quantile * (total - 1)
        low, high = values[np.searchsorted(ends, [np.floor(place), np.ceil(place)], side="right")]
        name = {0.0: "min", 0.5: "median", 1.0: "max"}.get(quantile, f"q{quantile * 100:g}")
        result[name] = float(low + (high - low) * (place - np.floor(place)))
    return result
