"""Rating arrays by user, as prepared, or by movie over all users (I-AutoRec, Sedhain et al. 2015, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from recsys.columns import INDICES, POPULARITY, RATINGS, USER_HASHES, USERS
from recsys.config import DataConfig
from recsys.data.blocks import Block, block_schema, blocks_of_batch, hash_movies, stored
from recsys.data.examples import Examples
from recsys.data.ingest.join import partition_keys
from recsys.data.ingest.pipeline import Prepared
from recsys.data.partition import regroup

_TARGET, _MOVIES = "target", "movies"  # of a piece: where it goes, and the movie of each of its ratings
_PARTS = ((_MOVIES, "<i4"), (INDICES, "<i4"), (RATINGS, "<f4"))  # a piece's arrays, a value an entry


@dataclass(frozen=True)
class Arrays:
    """What a model is trained on: blocks of rating arrays, and how their entries are split."""

    blocks: DataFrame
    examples: Examples
    users: np.ndarray | None = None  # of movies' arrays the user ids in the order of the columns, ascending


def rating_arrays(prepared: Prepared, data: DataConfig, by_user: Examples) -> Arrays:
    """The users' arrays as they are prepared, or with `data.orientation` "movie" those of the movies.

    `by_user` is how the users' arrays are split: each rating plays the same role in the movies' arrays.
    """
    if data.orientation == "user":
        return Arrays(prepared.blocks, by_user)
    users, hashes = columns_of_users(prepared.blocks)
    blocks = transpose(prepared.blocks, users, prepared.items[POPULARITY].to_numpy(), data.block_users)
    blocks = blocks.persist(StorageLevel.MEMORY_AND_DISK)  # dealt out to three roles
    return Arrays(blocks, replace(by_user, width=len(users), column_hashes=hashes), users)


def columns_of_users(blocks: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(ids ascending, their hashes): a user's column is the id's place."""
    rows = blocks.select(USERS, USER_HASHES).collect()
    ids = [user for row in rows for user in row[USERS]]
    users = np.array(ids, object if ids and isinstance(ids[0], str) else np.int64)
    hashes = np.frombuffer(b"".join(row[USER_HASHES] for row in rows), "<u8")
    order = np.argsort(users, kind="stable")
    return users[order], hashes[order]


def transpose(blocks: DataFrame, users: np.ndarray, ratings_of_movie: np.ndarray, block_rows: int) -> DataFrame:
    """Blocks of users over movies as blocks of at most `block_rows` movies over users, in the order of the movies.

    `users` (ascending ids) says which column is whose; `ratings_of_movie` (movies) how many ratings each movie has,
    by which the movies are shared out so that partitions are of like size. A movie without ratings has no row. One
    shuffle, of one piece from each partition to each other; the same result whatever the order of what comes in.
    """
    spark = blocks.sparkSession
    partitions = max(1, min(blocks.rdd.getNumPartitions(), len(ratings_of_movie)))
    keys = partition_keys(spark, partitions)
    shared = spark.sparkContext.broadcast((users, shares(ratings_of_movie, partitions), keys))

    def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        users, share_of_movie, keys = shared.value
        pieces = [entries(block, users) for batch in batches for block in blocks_of_batch(batch)]
        if not pieces:
            return
        movies, columns, ratings = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        share = share_of_movie[movies]
        for number in np.unique(share):
            mine = share == number
            yield _packed(int(keys[number]), (movies[mine], columns[mine], ratings[mine]))

    def gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pieces = [piece for batch in batches for piece in _unpacked(batch)]
        if pieces:
            movies, columns, ratings = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
            for block in regroup([movie_block(movies, columns, ratings)], block_rows):
                yield stored(block, pa.int64())

    schema = f"{_TARGET} int, " + ", ".join(f"{name} binary" for name, _ in _PARTS)
    cut_up = blocks.mapInArrow(cut, schema)
    return cut_up.repartition(partitions, _TARGET).mapInArrow(gather, block_schema("bigint"))


def shares(ratings_of_movie: np.ndarray, partitions: int) -> np.ndarray:
    """The partition (int32) of each movie: consecutive movies, about as many ratings in each partition."""
    before = np.cumsum(ratings_of_movie) - ratings_of_movie
    total = max(int(ratings_of_movie.sum()), 1)
    return np.minimum(before * partitions // total, partitions - 1).astype(np.int32)


def entries(block: Block, users: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(movie, column, rating) of each entry of a block of users, int32, int32 and float32."""
    columns = np.searchsorted(users, block.users).astype(np.int32)
    return block.indices, np.repeat(columns, np.diff(block.indptr)), block.ratings


def movie_block(movies: np.ndarray, columns: np.ndarray, ratings: np.ndarray) -> Block:
    """The block of all movies of those entries, which may come in any order: movies and columns ascending."""
    order = np.lexsort((columns, movies))
    rows, counts = np.unique(movies[order], return_counts=True)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    return Block(rows.astype(np.int64), hash_movies(rows), indptr, columns[order], ratings[order])


def _packed(target: int, parts: tuple[np.ndarray, ...]) -> pa.RecordBatch:
    columns = {_TARGET: pa.array([target], pa.int32())}
    for (name, kind), values in zip(_PARTS, parts, strict=True):
        columns[name] = pa.array([values.astype(kind, copy=False).tobytes()], pa.binary())
    return pa.RecordBatch.from_pydict(columns)


def _unpacked(batch: pa.RecordBatch) -> Iterator[tuple[np.ndarray, ...]]:
    for place in range(batch.num_rows):
        yield tuple(np.frombuffer(batch[name][place].as_buffer(), kind) for name, kind in _PARTS)
