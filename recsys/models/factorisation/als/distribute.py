"""Where ALS keeps what in Spark: users and movies with their ratings, and factors that travel in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from pyspark import RDD, Broadcast, StorageLevel

from recsys.data.blocks import Block
from recsys.data.orientation import partition_movies
from recsys.data.partition import Part, partition_of_worker
from recsys.models.factorisation.als.rows import Cut, Rows, cut, gather, rows_of
from recsys.models.factorisation.als.solve import Piece
from recsys.models.factorisation.als.worker import Sums
from recsys.training.base import TrainingData


def users_of(data: TrainingData, role: int) -> RDD[Rows]:
    """A role's users with their numbers, in the order of the workers, beside each other in Spark's cache."""
    examples, firsts = data.examples, firsts_of(data.parts[role])

    def run(worker: int, blocks: Iterable[Block]) -> Iterator[Rows]:
        first = firsts[worker]
        for block in blocks:
            yield rows_of(block, first, examples, role)
            first += block.rows

    rows = data.parts[role].blocks.mapPartitionsWithIndex(run, preservesPartitioning=True)
    return rows.persist(StorageLevel.MEMORY_AND_DISK)


def firsts_of(part: Part) -> list[int]:
    """The number of each worker's first user."""
    return [0, *itertools.accumulate(part.rows_of(worker) for worker in range(part.workers))]


def transposed(users: RDD[Rows], counts: np.ndarray, workers: int, alike: bool) -> RDD[Rows]:
    """Movies over users' numbers, in as many partitions of about as many ratings."""
    partition_of_movie = partition_movies(counts, workers)
    starts = np.searchsorted(partition_of_movie, np.arange(workers + 1)).tolist()

    def cut_worker(rows: Iterable[Rows]) -> Iterator[tuple[int, Cut]]:
        return cut(rows, partition_of_movie, alike)

    def gather_worker(number: int, parts: Iterable[tuple[int, Cut]]) -> Iterator[Rows]:
        return gather((one for _, one in parts), starts[number], starts[number + 1] - starts[number], alike)

    pieces = users.mapPartitions(cut_worker).partitionBy(workers, partition_of_worker)
    return pieces.mapPartitionsWithIndex(gather_worker).persist(StorageLevel.MEMORY_AND_DISK)


def openers(sent: list[Broadcast[Piece]]) -> list[Callable[[], Piece]]:
    """What reads each piece in a worker. Where there are several, the one before is let go."""
    return [partial(_open, piece, len(sent) == 1) for piece in sent]


def opener(shared: Broadcast[Any]) -> Callable[[], Any]:
    """What reads it in a worker."""
    return partial(_value, shared)


def _value(shared: Broadcast[Any]) -> Any:
    return shared.value


def _open(piece: Broadcast[Piece], keep: bool) -> Piece:
    value = piece.value
    if not keep and getattr(piece, "_path", None):  # a file of the worker's, which can be read again
        del piece._value
    return value


def sums_of(solved: RDD[Any]) -> list[Sums]:
    """In the order of the workers, so that their sum is the same however tasks were scheduled."""
    return sorted(solved.filter(lambda one: isinstance(one, Sums)).collect(), key=lambda one: one.worker)
