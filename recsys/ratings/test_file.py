"""A test part given by a file: which of the ratings are held out, as in the published splits u1 to u5 of ml-100k.

The file adds no rating to the data; it names some of those that are there. So nothing can be in training and in the
test at once, and the same file serves users' and movies' arrays: a pair's hash is of the user and the movie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, MOVIE_ID, RATING, USER, USERS
from recsys.config import DataConfig
from recsys.errors import DataError
from recsys.ratings.blocks import block_from_row, hash_movies, hash_users
from recsys.ratings.pipeline import Prepared
from recsys.ratings.read import FILE, HEADER, POSITION, REASON, check_scale, parse_ratings, read_rows
from recsys.ratings.sources import find_test_source
from recsys.ratings.split import find_sorted, hash_pairs


def find_test_entries(
    spark: SparkSession, data: DataConfig, prepared: Prepared, data_dir: str, default_dir: str
) -> np.ndarray | None:
    """The hashes (uint64, ascending, each once) of the ratings that `data.test_ratings` names; None without it.

    Rows of movies that are not selected, or below `data.positive_from`, are passed over. Raises DataError where the
    file names a rating that the data does not have, or has with another value, or leaves nothing to train on.
    """
    source = find_test_source(spark, data, data_dir, default_dir)
    if source is None:
        return None
    integer_movies = pd.api.types.is_integer_dtype(prepared.items[MOVIE_ID])
    user_type = prepared.blocks.schema[USERS].dataType.elementType.simpleString()  # type: ignore[attr-defined]
    rows = parse_ratings(read_rows(spark, source), user_type != "string", integer_movies)
    rows = check_scale(rows, prepared.rating_min, prepared.rating_max, None).orderBy(FILE, POSITION)
    table = rows.where(F.col(REASON).isNull() | ~F.col(REASON).isin(HEADER)).select(USER, MOVIE, RATING, REASON)
    frame: Any = table.toPandas()
    reasons = frame[REASON].value_counts()
    if reasons.sum() > data.max_rejected * len(frame):
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        raise DataError(
            f"{data.test_ratings}: {reasons.sum():,} of {len(frame):,} rows are rejected ({told}), more than "
            f"data.max_rejected = {data.max_rejected:g} allows: mend the file, or raise data.max_rejected"
        )
    frame = frame[frame[REASON].isna()]
    return _checked(prepared, data, *_named(frame, prepared, data))


def _named(frame: pd.DataFrame, prepared: Prepared, data: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """(hashes ascending, ratings) of the rows of the selection, of a pair that comes twice the last."""
    index = pd.Index(prepared.items[MOVIE_ID]).get_indexer(pd.Index(frame[MOVIE]))
    chosen = index >= 0
    if data.positive_from is not None:
        chosen &= frame[RATING].to_numpy() >= np.float32(data.positive_from)
    users, ratings = frame[USER].to_numpy()[chosen], frame[RATING].to_numpy(np.float32)[chosen]
    if users.dtype != object:
        users = users.astype(np.int64)  # no row is left: pandas has floats
    hashes = hash_pairs(hash_users(users), hash_movies(index[chosen])) if len(users) else np.zeros(0, np.uint64)
    unique, last = np.unique(hashes[::-1], return_index=True)
    return unique, ratings[::-1][last]


def _checked(prepared: Prepared, data: DataConfig, entries: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """The entries, every one of which the data holds with that rating."""
    if not len(entries):
        raise DataError(f"{data.test_ratings}: names no rating of the selection: give another file, or widen it")
    shared = prepared.blocks.sparkSession.sparkContext.broadcast((entries, ratings))

    def count(rows: Iterable[Any]) -> Iterator[np.ndarray]:
        hashes, values = shared.value
        found = np.zeros(3, np.int64)
        for row in rows:
            block = block_from_row(row)
            users = np.repeat(block.hashes, np.diff(block.indptr))
            places = find_sorted(hash_pairs(users, hash_movies(block.indices)), hashes)
            named = places >= 0
            found += named.sum(), (values[places[named]] == block.ratings[named]).sum(), len(named)
        yield found

    held, equal, total = prepared.blocks.rdd.mapPartitions(count).reduce(np.add)
    shared.destroy()
    if held < len(entries):
        raise DataError(
            f"{data.test_ratings}: {len(entries) - held:,} of its {len(entries):,} ratings are not among those of "
            "the data, of which it names the test part: let data.ratings hold them too (a glob takes both files)"
        )
    if equal < held:
        raise DataError(
            f"{data.test_ratings}: {held - equal:,} of its ratings stand with another value in the data: the same "
            "user and movie must not be rated in both a training and a test file"
        )
    if held == total:
        raise DataError(f"{data.test_ratings}: names all {total:,} ratings: none is left to train on")
    return entries
