"""Blocks: many users' rating arrays as one sparse matrix (CSR), the form in which they are stored and shipped.

A stored block is a row of arrays: `users` as an array of ids, everything else as the raw little-endian bytes of one
NumPy array, so that a worker reads it without touching a single number: `user_hashes` uint64 (rows), `indptr` int32
(rows + 1), `indices` int32 and `ratings` float32 (one an entry, indices ascending in each row).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix

from recsys.columns import INDICES, INDPTR, RATING, RATINGS, USER, USER_HASHES, USERS
from recsys.ratings.movies import CODE

ROWS = "rows"


@dataclass(frozen=True)
class Block:
    """The rating arrays of some users, raw ratings, not scaled."""

    users: np.ndarray  # ids: int64 or str objects (rows)
    hashes: np.ndarray  # uint64 (rows): what splits go by
    indptr: np.ndarray  # int32 (rows + 1)
    indices: np.ndarray  # int32 (entries): movie indices, ascending in each row
    ratings: np.ndarray  # float32 (entries)

    @property
    def rows(self) -> int:
        """How many users."""
        return len(self.users)

    def matrix(self, movies: int) -> csr_matrix:
        """Users x movies, sharing memory with the block."""
        return csr_matrix((self.ratings, self.indices, self.indptr), shape=(self.rows, movies), copy=False)

    def take(self, rows: np.ndarray) -> Block:
        """The block of those rows (indices or mask), in that order."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        # entry positions: each row's start, repeated, plus the place in the row
        places = np.repeat(self.indptr[rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Block(self.users[rows], self.hashes[rows], indptr, self.indices[places], self.ratings[places])


def block_from_row(row: Mapping[str, Any] | Any) -> Block:
    """The block of one stored row (a Spark Row or a dictionary)."""
    users = row[USERS]
    is_text = len(users) > 0 and isinstance(users[0], str)
    return Block(
        users=np.array(users, object if is_text else np.int64),
        hashes=np.frombuffer(row[USER_HASHES], "<u8"),
        indptr=np.frombuffer(row[INDPTR], "<i4"),
        indices=np.frombuffer(row[INDICES], "<i4"),
        ratings=np.frombuffer(row[RATINGS], "<f4"),
    )


def build_blocks(ratings: DataFrame, index_of_code: np.ndarray, block_users: int) -> DataFrame:
    """Ratings (user, code, rating), each user sorted in one partition, as rows of blocks of at most `block_users`.

    `index_of_code` (int32, one a known movie) gives the movie index of a code.
    """
    index = ratings.sparkSession.sparkContext.broadcast(index_of_code)

    def to_blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return blocks_of_batches(batches, index.value, block_users)

    user_type = ratings.schema[USER].dataType.simpleString()
    binary = ", ".join(f"{name} binary" for name in (USER_HASHES, INDPTR, INDICES, RATINGS))
    return ratings.mapInArrow(to_blocks, f"{USERS} array<{user_type}>, {ROWS} int, {binary}")


def blocks_of_batches(
    batches: Iterator[pa.RecordBatch], index_of_code: np.ndarray, block_users: int
) -> Iterator[pa.RecordBatch]:
    """Stored blocks of the ratings of one partition, sorted by user and code."""
    whole = [batch for batch in batches if batch.num_rows]
    if not whole:
        return
    table = pa.Table.from_batches(whole)
    runs = table[USER].combine_chunks().dictionary_encode()
    user_rank = runs.indices.to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.append(True, user_rank[1:] != user_rank[:-1]))
    indptr = np.append(starts, len(user_rank)).astype(np.int64)
    indices = index_of_code[table[CODE].to_numpy()]
    ratings = table[RATING].to_numpy().astype(np.float32, copy=False)
    users = runs.dictionary.to_numpy(zero_copy_only=False)
    hashes = hash_users(users)
    for first in range(0, len(users), block_users):
        last = min(first + block_users, len(users))
        entries = slice(indptr[first], indptr[last])
        yield stored(
            Block(
                users[first:last],
                hashes[first:last],
                (indptr[first : last + 1] - indptr[first]).astype(np.int32),
                indices[entries],
                ratings[entries],
            )
        )


def stored(block: Block) -> pa.RecordBatch:
    """One block as a record batch of one row."""
    columns: dict[str, Any] = {
        USERS: pa.array([block.users.tolist()]),
        ROWS: pa.array([block.rows], pa.int32()),
        USER_HASHES: pa.array([block.hashes.astype("<u8").tobytes()]),
        INDPTR: pa.array([block.indptr.astype("<i4").tobytes()]),
        INDICES: pa.array([block.indices.astype("<i4").tobytes()]),
        RATINGS: pa.array([block.ratings.astype("<f4").tobytes()]),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def hash_users(users: np.ndarray) -> np.ndarray:
    """A uint64 for each user id, the same on every machine and in every process."""
    if users.dtype.kind in "iu":
        return mix(users.astype(np.int64).view(np.uint64))
    text: Callable[[str], bytes] = lambda user: hashlib.blake2b(str(user).encode(), digest_size=8).digest()  # noqa: E731
    return np.frombuffer(b"".join(text(user) for user in users), "<u8")


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014): uint64 to uint64, every input bit felt in every output bit."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
