"""The test ratings as a file names them, as in the published splits u1 to u5 of ml-100k.

The file adds no rating to the data: it names ratings that the data hold. So no rating is in training and in the test at
once. A rating is identified by the hash of its user and movie, so that the file serves users' and movies' arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys.columns import MOVIE, MOVIE_ID, RATING, USER, USERS
from recsys.config import DataConfig
from recsys.data.blocks import block_from_row, hash_movies, hash_users
from recsys.data.ingest.parse import Reading, check_scale, parse_ratings
from recsys.data.ingest.rejects import RejectedRows
from recsys.data.ingest.rows import FILE, HEADER, POSITION, REASON, REPEATED_HEADER, read_rows
from recsys.data.preprocessing import Preprocessing
from recsys.data.scale import Scale
from recsys.data.sources.source import Source
from recsys.data.split import find_sorted, hash_pairs
from recsys.errors import DataError


def find_test_entries(
    source: Source, data: DataConfig, blocks: DataFrame, items: pd.DataFrame, preprocessing: Preprocessing
) -> tuple[np.ndarray, dict[str, Any]]:
    """The ratings that a file names for the test.

    Rows of movies that are not selected, or below `data.positive_from`, are ignored. Of a pair that occurs twice the
    last row counts.

    Args:
        source: the file.
        data: the settings of the blocks.
        blocks: the users' stored blocks.
        items: the movies in the order of their indices (column movie_id).
        preprocessing: the scale of the ratings.

    Returns:
        The hashes (uint64, ascending, each once) of the ratings, and the entry of statistics.json on the file: its
        rows read are those used, rejected, not selected and repeated.

    Raises:
        DataError: too many rows are rejected; or the file names a rating that the data do not have, or have with
            another value; or it leaves nothing to train on.
    """
    spark = blocks.sparkSession
    integer_movies = pd.api.types.is_integer_dtype(items[MOVIE_ID])
    user_type = blocks.schema[USERS].dataType.elementType.simpleString()  # type: ignore[attr-defined]

    reading = Reading.of(source, user_type != "string", integer_movies, ids_told=False)
    scale = Scale(preprocessing.rating_min, preprocessing.rating_max, None, data.missing)

    def parsed(keep_line: bool) -> DataFrame:
        return check_scale(parse_ratings(read_rows(spark, source, keep_line), reading), scale)

    # pandas makes integers floats where one is null, as in rejected rows
    ids = [F.coalesce(key, F.lit(0).cast(parsed(False).schema[key].dataType)).alias(key) for key in (USER, MOVIE)]
    frame: Any = parsed(False).orderBy(FILE, POSITION).select(*ids, RATING, REASON).toPandas()
    reasons = frame[REASON].value_counts().to_dict()
    headers = min(reasons.get(HEADER, 0), source.headers)
    rejects = {REPEATED_HEADER: reasons.pop(HEADER, 0) - headers, **reasons}
    rows_read = len(frame) - headers
    rejected_rows = RejectedRows(spark, data.max_rejected)
    rejected = rejected_rows.add(f"rows of {data.test_ratings}", source, parsed(True), rejects, rows_read)
    good = frame[frame[REASON].isna()]
    entries, ratings, selected = _named(good, items, data)
    summary = {
        "rows_read": rows_read,
        "used": len(entries),
        "rejected": rejected,
        "not_selected": len(good) - selected,
        "repeated": selected - len(entries),
    }
    return _checked(blocks, data, entries, ratings), summary


def _named(frame: pd.DataFrame, items: pd.DataFrame, data: DataConfig) -> tuple[np.ndarray, np.ndarray, int]:
    """(hashes ascending, ratings, number of rows) of the rows of the selection; of a repeated pair the last row."""
    index = pd.Index(items[MOVIE_ID]).get_indexer(pd.Index(frame[MOVIE]))
    chosen = index >= 0
    if data.positive_from is not None:
        chosen &= frame[RATING].to_numpy() >= np.float32(data.positive_from)
    users, ratings = frame[USER].to_numpy()[chosen], frame[RATING].to_numpy(np.float32)[chosen]
    hashes = hash_pairs(hash_users(users), hash_movies(index[chosen])) if len(users) else np.zeros(0, np.uint64)
    unique, last = np.unique(hashes[::-1], return_index=True)
    return unique, ratings[::-1][last], int(chosen.sum())


def _checked(blocks: DataFrame, data: DataConfig, entries: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """The entries, once it is certain that the data hold each of them with that rating."""
    if not len(entries):
        raise DataError(f"{data.test_ratings}: names no rating of the selection: give another file, or widen it")
    broadcast = blocks.sparkSession.sparkContext.broadcast((entries, ratings))

    def count(rows: Iterable[Any]) -> Iterator[np.ndarray]:
        hashes, values = broadcast.value
        counts = np.zeros(3, np.int64)
        for row in rows:
            block = block_from_row(row)
            users = np.repeat(block.hashes, np.diff(block.indptr))
            positions = find_sorted(hash_pairs(users, hash_movies(block.indices)), hashes)
            named = positions >= 0
            counts += named.sum(), (values[positions[named]] == block.ratings[named]).sum(), len(named)
        yield counts

    held, equal, total = blocks.rdd.mapPartitions(count).reduce(np.add)
    broadcast.destroy()
    if held < len(entries):
        raise DataError(
            f"{data.test_ratings}: {len(entries) - held:,} of its {len(entries):,} ratings are not among those of "
            "the data, as they must be: let data.ratings hold them too (a glob takes both files)"
        )
    if equal < held:
        raise DataError(
            f"{data.test_ratings}: {held - equal:,} of its ratings have another value in the data: the same "
            "user and movie must not be rated in both a training and a test file"
        )
    if held == total:
        raise DataError(f"{data.test_ratings}: names all {total:,} ratings: none is left to train on")
    return entries
