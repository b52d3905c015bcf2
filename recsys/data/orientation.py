"""Rating arrays by user, as prepared, or by movie over all users (I-AutoRec, Sedhain et al. 2015, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from recsys.columns import INDICES, POPULARITY, RATINGS, USER_HASHES, USERS
from recsys.config import DataConfig
from recsys.data.blocks import Block, block_schema, blocks_of_batch, hash_movies, stored
from recsys.data.dataset import Dataset
from recsys.data.examples import Examples
from recsys.data.ingest.join import partition_keys
from recsys.data.partition import regroup
from recsys.data.time_split import PARTS_AS_TIMES

_TARGET, _MOVIES, _PARTS = "target", "movies", "parts"  # of a piece: its partition; movie and part of each rating
_ARRAYS = ((_MOVIES, "<i4"), (INDICES, "<i4"), (RATINGS, "<f4"))  # the arrays of a piece, a value an entry
_ARRAYS_BY_TIME = (*_ARRAYS, (_PARTS, "<i1"))

Kinds = tuple[tuple[str, str], ...]  # names and types of the arrays of a piece


@dataclass(frozen=True)
class ArraySource:
    """What a model is trained on: blocks of rating arrays, and how their entries are split."""

    blocks: DataFrame
    examples: Examples
    users: np.ndarray | None = None  # for movies' arrays the user ids in the order of the columns, ascending


def rating_arrays(dataset: Dataset, data: DataConfig, by_user: Examples) -> ArraySource:
    """The users' arrays as the data set has them, or with `data.orientation` "movie" those of the movies.

    `by_user` says how the users' arrays are split: each rating has the same role in the movies' arrays.
    """
    if data.orientation == "user":
        return ArraySource(dataset.blocks, by_user)
    users, hashes = columns_of_users(dataset.blocks)
    by_time = by_user if by_user.split_time is not None else None
    blocks = transpose(dataset.blocks, users, dataset.items[POPULARITY].to_numpy(), data.block_users, by_time)
    blocks = blocks.persist(StorageLevel.MEMORY_AND_DISK)  # read once for each of the three roles
    examples = replace(by_user, width=len(users), column_hashes=hashes)
    if by_time is not None:
        examples = replace(examples, split_time="all", moments=PARTS_AS_TIMES)
    return ArraySource(blocks, examples, users)


def columns_of_users(blocks: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(ids ascending, their hashes): a user's column is the position of the id."""
    rows = blocks.select(USERS, USER_HASHES).collect()
    ids = [user for row in rows for user in row[USERS]]
    users = np.array(ids, object if ids and isinstance(ids[0], str) else np.int64)
    hashes = np.frombuffer(b"".join(row[USER_HASHES] for row in rows), "<u8")
    order = np.argsort(users, kind="stable")
    return users[order], hashes[order]


def transpose(
    blocks: DataFrame,
    users: np.ndarray,
    ratings_of_movie: np.ndarray,
    block_rows: int,
    by_time: Examples | None = None,
) -> DataFrame:
    """Blocks of users over movies as blocks of at most `block_rows` movies over users, in the order of the movies.

    A movie without ratings has no row. There is one shuffle, of a piece from each partition to each other. The order
    of the input changes nothing.

    Args:
        blocks: stored blocks of users.
        users: the user ids, ascending; a user's column is the position of the id.
        ratings_of_movie: how many ratings each movie has (movies). It makes partitions of about the same size.
        block_rows: how many movies a block has at most.
        by_time: how the users' arrays are split by time, where they are. A user's order of ratings is not seen in the
            movies' arrays, so that these have the part of each rating in place of its time.
    """
    spark = blocks.sparkSession
    partitions = max(1, min(blocks.rdd.getNumPartitions(), len(ratings_of_movie)))
    keys = partition_keys(spark, partitions)
    broadcast = spark.sparkContext.broadcast((users, partition_movies(ratings_of_movie, partitions), keys))
    kinds = _ARRAYS if by_time is None else _ARRAYS_BY_TIME

    def cut_block(block: Block, users: np.ndarray) -> tuple[np.ndarray, ...]:
        return entries(block, users) if by_time is None else (*entries(block, users), by_time.parts(block))

    def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        users, partition_of_movie, keys = broadcast.value
        pieces = [cut_block(block, users) for batch in batches for block in blocks_of_batch(batch)]
        if not pieces:
            return
        arrays = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        target = partition_of_movie[arrays[0]]
        for number in np.unique(target):
            chosen = target == number
            yield _packed(int(keys[number]), kinds, [values[chosen] for values in arrays])

    def gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pieces = [piece for batch in batches for piece in _unpacked(batch, kinds)]
        if pieces:
            whole = movie_block(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
            for block in regroup([whole], block_rows):
                yield stored(block, pa.int64())

    schema = f"{_TARGET} int, " + ", ".join(f"{name} binary" for name, _ in kinds)
    pieces = blocks.mapInArrow(cut, schema)
    return pieces.repartition(partitions, _TARGET).mapInArrow(gather, block_schema("bigint"))


def partition_movies(ratings_of_movie: np.ndarray, partitions: int) -> np.ndarray:
    """The partition (int32) of each movie: consecutive movies, about as many ratings in each partition."""
    before = np.cumsum(ratings_of_movie) - ratings_of_movie
    total = max(int(ratings_of_movie.sum()), 1)
    return np.minimum(before * partitions // total, partitions - 1).astype(np.int32)


def entries(block: Block, users: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(movie, column, rating) of each entry of a block of users, int32, int32 and float32."""
    columns = np.searchsorted(users, block.users).astype(np.int32)
    return block.indices, np.repeat(columns, np.diff(block.indptr)), block.ratings


def movie_block(movies: np.ndarray, columns: np.ndarray, ratings: np.ndarray, parts: np.ndarray | None = None) -> Block:
    """The block of all movies of the entries, movies and columns ascending; the entries may be in any order."""
    order = np.lexsort((columns, movies))
    rows, counts = np.unique(movies[order], return_counts=True)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    times = None if parts is None else parts[order].astype(np.int64)
    return Block(rows.astype(np.int64), hash_movies(rows), indptr, columns[order], ratings[order], times)


def _packed(target: int, kinds: Kinds, arrays: Sequence[np.ndarray]) -> pa.RecordBatch:
    columns = {_TARGET: pa.array([target], pa.int32())}
    for (name, kind), values in zip(kinds, arrays, strict=True):
        columns[name] = pa.array([values.astype(kind, copy=False).tobytes()], pa.binary())
    return pa.RecordBatch.from_pydict(columns)


def _unpacked(batch: pa.RecordBatch, kinds: Kinds) -> Iterator[tuple[np.ndarray, ...]]:
    for row in range(batch.num_rows):
        yield tuple(np.frombuffer(batch[name][row].as_buffer(), kind) for name, kind in kinds)
