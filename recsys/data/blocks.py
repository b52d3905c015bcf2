"""Blocks: many users' rating arrays as one sparse matrix (CSR), the form in which they are stored and shipped.

A stored block is a row of a DataFrame. `users` is an array of ids. Every other column holds the raw little-endian bytes
of a NumPy array, so that a worker reads it without a copy: `user_hashes` uint64 (rows), `indptr` int32 (rows + 1),
`indices` int32 and `ratings` float32 (a value an entry; indices ascend in each row), and `times` int64 (a value an
entry), which is null where `data.split` does not need the times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys.columns import INDICES, INDPTR, RATINGS, TIMES, USER_HASHES, USERS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ROWS = "rows"
NO_TIME = np.iinfo(np.int64).min  # of an entry whose time is missing


@dataclass(frozen=True)
class Block:
    """The rating arrays of some users, raw ratings, not scaled.

    Or those of some movies over all users (recsys.data.orientation): then `users` are movie indices, `hashes` the
    movies', and `indices` the users' columns.
    """

    users: np.ndarray  # ids: int64 or str objects (rows)
    hashes: np.ndarray  # uint64 (rows): splits are made from them
    indptr: np.ndarray  # int32 (rows + 1)
    indices: np.ndarray  # int32 (entries): movie indices, ascending in each row
    ratings: np.ndarray  # float32 (entries)
    # int64 (entries): seconds since 1970, NO_TIME where missing; of movies' arrays the part of each entry
    times: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many users (or movies)."""
        return len(self.users)

    def matrix(self, width: int) -> csr_matrix:
        """Users x movies (or movies x users), sharing memory with the block; `width` columns."""
        from scipy.sparse import csr_matrix  # here, as most users of blocks do not need SciPy

        return csr_matrix((self.ratings, self.indices, self.indptr), shape=(self.rows, width), copy=False)

    def take(self, rows: np.ndarray) -> Block:
        """The block of those rows (indices or mask), in that order."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        # positions of the entries: the row's start plus the position within the row
        entries = np.repeat(self.indptr[rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        times = None if self.times is None else self.times[entries]
        return Block(self.users[rows], self.hashes[rows], indptr, self.indices[entries], self.ratings[entries], times)


def block_from_row(row: Mapping[str, Any] | Any) -> Block:
    """The block of one stored row (a Spark Row or a dictionary)."""
    users = row[USERS]
    is_text = len(users) > 0 and isinstance(users[0], str)
    times = row[TIMES] if TIMES in row else None  # noqa: SIM401  a Spark Row has no get; earlier versions stored none
    return Block(
        users=np.array(users, object if is_text else np.int64),
        hashes=np.frombuffer(row[USER_HASHES], "<u8"),
        indptr=np.frombuffer(row[INDPTR], "<i4"),
        indices=np.frombuffer(row[INDICES], "<i4"),
        ratings=np.frombuffer(row[RATINGS], "<f4"),
        times=None if times is None else np.frombuffer(times, "<i8"),
    )


def build_blocks(gathered: DataFrame, index_of_code: np.ndarray, block_users: int) -> DataFrame:
    """Blocks of at most `block_users` rows with movie indices, from blocks (a partition each) with movie codes.

    `index_of_code` (int32, a value for each known movie) gives the movie index of a code, in the same order.
    """
    index = gathered.sparkSession.sparkContext.broadcast(index_of_code)

    def to_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kind = batch.schema.field(USERS).type.value_type
            for block in blocks_of_batch(batch):
                for piece in cut(block, index.value, block_users):
                    yield stored(piece, kind)

    return gathered.mapInArrow(to_blocks, gathered.schema)


def block_schema(user_type: str) -> str:
    """The columns of stored blocks."""
    binary = ", ".join(f"{name} binary" for name in (USER_HASHES, INDPTR, INDICES, RATINGS, TIMES))
    return f"{USERS} array<{user_type}>, {ROWS} int, {binary}"


def blocks_of_batch(batch: pa.RecordBatch) -> Iterator[Block]:
    """The blocks of a record batch, sharing memory with it."""
    for row in range(batch.num_rows):
        users = batch[USERS][row].values.to_numpy(zero_copy_only=False)
        raw = {name: batch[name][row].as_buffer() for name in (USER_HASHES, INDPTR, INDICES, RATINGS)}
        times = batch[TIMES][row].as_buffer()
        yield Block(
            users,
            np.frombuffer(raw[USER_HASHES], "<u8"),
            np.frombuffer(raw[INDPTR], "<i4"),
            np.frombuffer(raw[INDICES], "<i4"),
            np.frombuffer(raw[RATINGS], "<f4"),
            None if times is None else np.frombuffer(times, "<i8"),
        )


def cut(block: Block, index_of_code: np.ndarray, block_users: int) -> Iterator[Block]:
    """Blocks of at most `block_users` rows with movie indices, from a block with movie codes."""
    indices = index_of_code[block.indices]
    for first in range(0, block.rows, block_users):
        last = min(first + block_users, block.rows)
        entries = slice(block.indptr[first], block.indptr[last])
        yield Block(
            block.users[first:last],
            block.hashes[first:last],
            (block.indptr[first : last + 1] - block.indptr[first]).astype(np.int32),
            indices[entries],
            block.ratings[entries],
            None if block.times is None else block.times[entries],
        )


def stored(block: Block, user_type: pa.DataType | None = None) -> pa.RecordBatch:
    """One block as a record batch of one row."""
    columns: dict[str, Any] = {
        USERS: pa.array([block.users.tolist()], pa.list_(user_type) if user_type else None),
        ROWS: pa.array([block.rows], pa.int32()),
        USER_HASHES: pa.array([block.hashes.astype("<u8").tobytes()]),
        INDPTR: pa.array([block.indptr.astype("<i4").tobytes()]),
        INDICES: pa.array([block.indices.astype("<i4").tobytes()]),
        RATINGS: pa.array([block.ratings.astype("<f4").tobytes()]),
        TIMES: pa.array([None if block.times is None else block.times.astype("<i8").tobytes()], pa.binary()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def hash_users(users: np.ndarray) -> np.ndarray:
    """A uint64 for each user id, the same on every machine and in every process."""
    if users.dtype.kind in "iu":
        return mix(users.astype(np.int64).view(np.uint64))
    text: Callable[[str], bytes] = lambda user: hashlib.blake2b(str(user).encode(), digest_size=8).digest()  # noqa: E731
    return np.frombuffer(b"".join(text(user) for user in users), "<u8")


def hash_movies(indices: np.ndarray) -> np.ndarray:
    """A uint64 for each movie index."""
    return mix(indices.astype(np.uint64))


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014): uint64 to uint64; every input bit changes every output bit."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
