"""Ratings joined with the selected movies, each user's in one partition, sorted, each user-movie pair once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.ratings.movies import CODE, Movies
from recsys.ratings.read import FILE, POSITION

JOINED, UNKNOWN, OUTSIDE_YEARS = "joined", "unknown_movie", "outside_years"
UNIQUE, BELOW_POSITIVE = "unique", "below_positive"
SELECTED = "selected"  # of a movie: whether the year filter lets it through


def movie_table(ratings: DataFrame, movies: Movies) -> DataFrame:
    """The known movies (movie, code, selected), ids of the same type as in the ratings."""
    codes = np.arange(len(movies.ids), dtype=np.int32)
    table = pd.DataFrame({MOVIE: movies.ids, CODE: codes, SELECTED: movies.selected})
    schema = f"{MOVIE} {ratings.schema[MOVIE].dataType.simpleString()}, {CODE} int, {SELECTED} boolean"
    return ratings.sparkSession.createDataFrame(table, schema)


def select_ratings(ratings: DataFrame, movies: Movies, observation: Observation) -> DataFrame:
    """Good ratings of selected movies (user, code, rating, timestamp, position, file); what is left out is observed."""
    joined = ratings.join(F.broadcast(movie_table(ratings, movies)), MOVIE, "left")
    known, selected = F.col(CODE).isNotNull(), F.coalesce(F.col(SELECTED), F.lit(False))
    joined = joined.observe(
        observation,
        F.count(F.lit(1)).alias(JOINED),
        F.count_if(~known).alias(UNKNOWN),
        F.count_if(known & ~selected).alias(OUTSIDE_YEARS),
    )
    return joined.where(selected).select(USER, CODE, RATING, TIMESTAMP, POSITION, FILE)


def gather_users(
    selected: DataFrame, partitions: int, positive_from: float | None, observation: Observation
) -> DataFrame:
    """(user, code, rating): each user in one partition, sorted by user and code, duplicates removed.

    Only then go the ratings below `positive_from`, observed: a like that was taken back later is none.
    """
    user_type = selected.schema[USER].dataType.simpleString()
    spread = selected.repartition(partitions, USER)
    unique = spread.mapInArrow(unique_ratings, f"{USER} {user_type}, {CODE} int, {RATING} float")
    # ratings are floats: 3.3 as a double is more than 3.3 as a float
    positive = F.col(RATING) >= F.lit(positive_from).cast("float") if positive_from is not None else F.lit(True)
    counts = [F.count(F.lit(1)).alias(UNIQUE), F.count_if(~positive).alias(BELOW_POSITIVE)]
    return unique.observe(observation, *counts).where(positive)


def unique_ratings(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The ratings of one partition sorted by user and code; of a pair that comes twice the latest counts.

    The latest is the one with the highest timestamp (none counts as the lowest), then the last row of the input.
    """
    filled = [batch for batch in batches if batch.num_rows]
    if not filled:
        return
    table = pa.Table.from_batches(filled)
    users, user_ranks = _ranks(table[USER])
    codes = table[CODE].to_numpy().astype(np.int64)
    keys = user_ranks * (int(codes.max()) + 1) + codes
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    last = np.append(sorted_keys[1:] != sorted_keys[:-1], True)
    if not last.all():
        # only where pairs come twice do time and place matter
        times = table[TIMESTAMP].fill_null(np.iinfo(np.int64).min).to_numpy()
        _, file_ranks = _ranks(table[FILE])
        order = np.lexsort((table[POSITION].to_numpy(), file_ranks, times, keys))
    order = order[last]
    ratings = table[RATING].to_numpy()[order]
    yield pa.RecordBatch.from_arrays(
        [users.take(pa.array(user_ranks[order])), pa.array(codes[order].astype(np.int32)), pa.array(ratings)],
        names=[USER, CODE, RATING],
    )


def _ranks(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The distinct values in ascending order, and for each row the place of its value among them."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), places[encoded.indices.to_numpy(zero_copy_only=False)]
