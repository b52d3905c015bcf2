"""The rows of each role in W partitions, one a worker. Their sizes differ by at most one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import RDD, StorageLevel
from pyspark.sql import DataFrame

from recsys.data.blocks import Block, block_from_row
from recsys.data.examples import Examples
from recsys.data.split import TRAIN

# as Python made them: to compress what is read in every round costs more than the memory that it saves
UNCOMPRESSED = StorageLevel.MEMORY_AND_DISK_DESER


@dataclass(frozen=True)
class Part:
    """The rows of one role (users, or movies): an RDD of blocks with one partition a worker, and the number of rows."""

    blocks: RDD[Block]
    rows: int
    workers: int

    def rows_of(self, worker: int) -> int:
        """How many rows one partition has."""
        return len(range(worker, self.rows, self.workers))

    @property
    def smallest(self) -> int:
        """How many rows the smallest partition has."""
        return self.rows // self.workers


def partition(blocks: DataFrame, examples: Examples, role: int, workers: int, block_users: int) -> Part:
    """The rows of one role in `workers` partitions: row i goes to partition i modulo `workers`.

    The same blocks give the same partitions. What is returned is persisted.

    Args:
        blocks: stored blocks (recsys.data.blocks), of users or of movies.
        examples: says which rows play which role.
        role: TRAIN, VALIDATION or TEST.
        workers: how many partitions.
        block_users: how many rows each block of the result has; the last one of a partition may have fewer.
    """

    def count(number: int, rows: Iterable[Any]) -> Iterator[tuple[int, list[int]]]:
        yield number, [int(examples.rows(block_from_row(row), role).sum()) for row in rows]

    counts = dict(blocks.rdd.mapPartitionsWithIndex(count).collect())
    first: dict[tuple[int, int], int] = {}
    total = 0
    for number in sorted(counts):
        for position, rows in enumerate(counts[number]):
            first[(number, position)] = total
            total += rows

    def cut(number: int, rows: Iterable[Any]) -> Iterator[tuple[int, tuple[int, Block]]]:
        for position, row in enumerate(rows):
            block = block_from_row(row)
            block = block.take(examples.rows(block, role))
            start = first[(number, position)]
            target = (start + np.arange(block.rows)) % workers
            for worker in range(workers):
                mine = target == worker
                if mine.any():
                    yield worker, (start, block.take(mine))

    def merge(pieces: Iterable[tuple[int, tuple[int, Block]]]) -> Iterator[Block]:
        in_order = [block for _, (_, block) in sorted(pieces, key=lambda piece: piece[1][0])]
        return regroup(in_order, block_users)

    pieces = blocks.rdd.mapPartitionsWithIndex(cut)
    merged = pieces.partitionBy(workers, partition_of_worker).mapPartitions(merge, preservesPartitioning=True)
    return Part(merged.persist(StorageLevel.MEMORY_AND_DISK), total, workers)


def partition_of_worker(worker: int) -> int:
    """The partition of a worker.

    All parts use this same function. Spark compares partitioners by it, and so joins two parts without a shuffle.
    """
    return worker


def one_after_the_other(parts: Mapping[int, Part]) -> Part:
    """The blocks of all roles, TRAIN first, then the others in their order; the rows are those of TRAIN."""
    train, blocks = parts[TRAIN], parts[TRAIN].blocks
    for role, part in parts.items():
        if role != TRAIN:
            blocks = blocks.union(part.blocks)  # one after the other: so it keeps the partitioner
    return Part(blocks, train.rows, train.workers)


def rows_from(blocks: Iterator[Block], rows: int) -> Iterator[Block]:
    """The next blocks until they have `rows` rows together."""
    while rows > 0:
        block = next(blocks)
        rows -= block.rows
        yield block


def read_to_end(elements: Iterable[Any]) -> None:
    """Reads what is left. Spark ends a Python worker, with all that it keeps, whose task leaves some of its input."""
    for _ in elements:
        pass


def regroup(blocks: list[Block], block_users: int) -> Iterator[Block]:
    """The same rows in the same order, in blocks of `block_users` rows; the last block may be smaller."""
    if not blocks:
        return
    whole = concatenate(blocks)
    for start in range(0, whole.rows, block_users):
        yield whole.take(np.arange(start, min(start + block_users, whole.rows)))


def concatenate(blocks: list[Block]) -> Block:
    """All rows in one block."""
    ends = np.cumsum([0] + [block.indptr[-1] for block in blocks])
    indptr = [block.indptr[1:] + end for block, end in zip(blocks, ends[:-1], strict=True)]
    return Block(
        np.concatenate([block.users for block in blocks]),
        np.concatenate([block.hashes for block in blocks]),
        np.concatenate([[0], *indptr]).astype(np.int32),
        np.concatenate([block.indices for block in blocks]),
        np.concatenate([block.ratings for block in blocks]),
        None if any(block.times is None for block in blocks) else np.concatenate([block.times for block in blocks]),
    )
