"""The ratings of a data set as rows of a DataFrame again, a row a rating."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys.columns import MOVIE_ID, RATING, USER, USERS
from recsys.data.blocks import blocks_of_batch
from recsys.data.dataset import Dataset


def rating_rows(dataset: Dataset) -> DataFrame:
    """The ratings that rating arrays are made of: user, movie_id, rating (raw, float), in no order.

    Ids are integers or strings as they are in the data.
    """
    ids = pa.array(dataset.items[MOVIE_ID])
    broadcast = dataset.blocks.sparkSession.sparkContext.broadcast(ids)
    movie_type = "string" if pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type) else "bigint"
    user_type = dataset.blocks.schema[USERS].dataType.elementType.simpleString()  # type: ignore[attr-defined]

    def to_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            users_type = batch.schema.field(USERS).type.value_type
            for block in blocks_of_batch(batch):
                columns = {
                    USER: pa.array(np.repeat(block.users, np.diff(block.indptr)), users_type),
                    MOVIE_ID: broadcast.value.take(pa.array(block.indices)),
                    RATING: pa.array(block.ratings, pa.float32()),
                }
                yield pa.RecordBatch.from_pydict(columns)

    return dataset.blocks.mapInArrow(to_rows, f"{USER} {user_type}, {MOVIE_ID} {movie_type}, {RATING} float")
