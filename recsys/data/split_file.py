"""A test part given by a file: which of the ratings are held out, as in the published splits u1 to u5 of ml-100k.

The file adds no rating to the data; it names some of those that are there. So nothing can be in training and in the
test at once, and the same file serves users' and movies' arrays: a pair's hash is of the user and the movie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, MOVIE_ID, RATING, USER, USERS
from recsys.config import DataConfig
from recsys.data.blocks import block_from_row, hash_movies, hash_users
from recsys.data.ingest.parse import (
    FILE,
    HEADER,
    POSITION,
    REASON,
    REPEATED_HEADER,
    check_scale,
    parse_ratings,
    read_rows,
)
from recsys.data.ingest.pipeline import Prepared
from recsys.data.ingest.rejects import SetAside
from recsys.data.sources.files import find_test_source
from recsys.data.split import find_sorted, hash_pairs
from recsys.errors import DataError


def find_test_entries(
    spark: SparkSession, data: DataConfig, prepared: Prepared, data_dir: str, default_dir: str
) -> tuple[np.ndarray | None, dict[str, Any] | None]:
    """The hashes (uint64, ascending, each once) of the ratings that `data.test_ratings` names, and what statistics.json
    says of the file: its rows read are those used, rejected, not selected and repeated. None and None without it.

    Rows of movies that are not selected, or below `data.positive_from`, are passed over; of a pair that comes twice the
    last row counts. Raises DataError where too many rows are rejected, or where the file names a rating that the data
    does not have, or has with another value, or leaves nothing to train on.
    """
    source = find_test_source(spark, data, data_dir, default_dir)
    if source is None:
        return None, None
    integer_movies = pd.api.types.is_integer_dtype(prepared.items[MOVIE_ID])
    user_type = prepared.blocks.schema[USERS].dataType.elementType.simpleString()  # type: ignore[attr-defined]

    def parsed(keep_line: bool) -> DataFrame:
        rows = parse_ratings(read_rows(spark, source, keep_line), user_type != "string", integer_movies)
        return check_scale(rows, prepared.rating_min, prepared.rating_max, None)

    # pandas makes floats of integers with a null among them, as in rejected rows
    ids = [F.coalesce(key, F.lit(0).cast(parsed(False).schema[key].dataType)).alias(key) for key in (USER, MOVIE)]
    frame: Any = parsed(False).orderBy(FILE, POSITION).select(*ids, RATING, REASON).toPandas()
    reasons = frame[REASON].value_counts().to_dict()
    headers = min(reasons.get(HEADER, 0), source.headers)
    rejects = {REPEATED_HEADER: reasons.pop(HEADER, 0) - headers, **reasons}
    rows_read = len(frame) - headers
    aside = SetAside(spark, data.max_rejected)
    rejected = aside.add(f"rows of {data.test_ratings}", source, parsed(True), rejects, rows_read)
    good = frame[frame[REASON].isna()]
    entries, ratings, selected = _named(good, prepared, data)
    told = {
        "rows_read": rows_read,
        "used": len(entries),
        "rejected": rejected,
        "not_selected": len(good) - selected,
        "repeated": selected - len(entries),
    }
    return _checked(prepared, data, entries, ratings), told


def _named(frame: pd.DataFrame, prepared: Prepared, data: DataConfig) -> tuple[np.ndarray, np.ndarray, int]:
    """(hashes ascending, ratings) of the rows of the selection, of a pair that comes twice the last; how many rows."""
    index = pd.Index(prepared.items[MOVIE_ID]).get_indexer(pd.Index(frame[MOVIE]))
    chosen = index >= 0
    if data.positive_from is not None:
        chosen &= frame[RATING].to_numpy() >= np.float32(data.positive_from)
    users, ratings = frame[USER].to_numpy()[chosen], frame[RATING].to_numpy(np.float32)[chosen]
    hashes = hash_pairs(hash_users(users), hash_movies(index[chosen])) if len(users) else np.zeros(0, np.uint64)
    unique, last = np.unique(hashes[::-1], return_index=True)
    return unique, ratings[::-1][last], int(chosen.sum())


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
