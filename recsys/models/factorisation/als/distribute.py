"""Where ALS keeps what in Spark: users and movies with their ratings, and factors that travel in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from pyspark import RDD, Broadcast, SparkContext

from recsys.data.blocks import Block
from recsys.data.orientation import partition_movies
from recsys.data.partition import UNCOMPRESSED, Part, partition_of_worker
from recsys.data.split import TRAIN, VALIDATION
from recsys.models.factorisation.als.rows import Cut, Rows, cut, gather, rows_of, totals_of
from recsys.models.factorisation.als.solve import Piece, gramian_of
from recsys.models.factorisation.als.worker import Solved, Sums
from recsys.training.base import TrainingData
from recsys.training.state import Moments


def users_of(data: TrainingData, role: int) -> RDD[Rows]:
    """A role's users with their numbers, in the order of the workers, beside each other in Spark's cache."""
    examples, firsts = data.examples, firsts_of(data.parts[role])

    def run(worker: int, blocks: Iterable[Block]) -> Iterator[Rows]:
        first = firsts[worker]
        for block in blocks:
            yield rows_of(block, first, examples, role)
            first += block.rows

    rows = data.parts[role].blocks.mapPartitionsWithIndex(run, preservesPartitioning=True)
    return rows.persist(UNCOMPRESSED)


class SparkRatings:
    """A data set's ratings in Spark, as every model is trained on them; persisted.

    Args:
        data: what is trained on; nothing of the model's settings is used.

    Attributes:
        users: training users.
        judged: by role the users that are folded in. Where ratings are split, training users are judged on their
            validation ratings within their half-sweep.
        counts: training ratings of each movie, float64 (movies).
        total: the sum of all values.
        movies: the training ratings, movies over users.
    """

    def __init__(self, data: TrainingData) -> None:
        columns, within = data.columns, (TRAIN, VALIDATION) if data.examples.by_rating else (TRAIN,)
        self.users = users_of(data, TRAIN)
        self.judged = {role: users_of(data, role) for role in data.parts if role not in within}
        totals = self.users.mapPartitions(lambda rows: [totals_of(rows, columns)]).treeReduce(np.add)
        self.counts, self.total = totals[:columns], float(totals[columns])
        alike = data.preprocessing.likes and not data.preprocessing.weighted
        self.movies = transposed(self.users, self.counts, data.parts[TRAIN].workers, alike)

    def close(self) -> None:
        """Frees them."""
        for rdd in (self.users, self.movies, *self.judged.values()):
            rdd.unpersist()


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
    return pieces.mapPartitionsWithIndex(gather_worker).persist(UNCOMPRESSED)


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


def gather_users(solved: RDD[Any], fits: bool) -> tuple[list[Sums], list[Solved] | None]:
    """What a half-sweep of users came to, in the order of the workers and, where they fit here, of the users."""
    if not fits:
        return sums_of(solved), None
    found = solved.collect()  # as they lie in Spark's cache: no Python worker is needed
    sums = sorted((one for one in found if isinstance(one, Sums)), key=lambda one: one.worker)
    return sums, sorted((one for one in found if isinstance(one, Solved)), key=lambda one: one.first)


def users_gramian(solved: RDD[Any], width: int) -> np.ndarray:
    """The users' Gramian, float64 (width, width), summed on the executors, and then in the order of the workers."""

    def run(worker: int, elements: Iterable[Any]) -> Iterator[tuple[int, np.ndarray]]:
        # at once, as after a checkpoint the same users come in other elements
        own = [one.factors for one in elements if isinstance(one, Solved)]
        yield worker, gramian_of(np.concatenate([*own, np.zeros((0, width), np.float32)]))

    parts = sorted(solved.mapPartitionsWithIndex(run).collect(), key=lambda one: one[0])
    return sum((part for _, part in parts), np.zeros((width, width)))


def send_movies(context: SparkContext, factors: np.ndarray, rows: int) -> list[Broadcast[Piece]]:
    """Movies' factors in pieces of so many rows."""
    return [context.broadcast(Piece(one, factors[one : one + rows])) for one in range(0, len(factors), rows)]


def send_users(context: SparkContext, users: Iterable[Solved], piece_rows: int, width: int) -> list[Broadcast[Piece]]:
    """Users' factors, which come in their order, in pieces of so many rows; the driver holds one at a time."""
    sent, held, first = list[Broadcast[Piece]](), list[np.ndarray](), 0
    for one in users:
        held.append(one.factors)
        while sum(map(len, held)) >= piece_rows:
            whole = np.concatenate(held)
            sent.append(context.broadcast(Piece(first, whole[:piece_rows])))
            held, first = [whole[piece_rows:]], first + piece_rows
    if sum(map(len, held)) or not sent:
        rest = np.concatenate([*held, np.zeros((0, width), np.float32)])
        sent.append(context.broadcast(Piece(first, rest)))
    return sent


def moments_of(solved: RDD[Any]) -> Iterator[Moments]:
    """Users' factors as a checkpoint has them: one worker's after the other."""

    def run(worker: int, elements: Iterable[Any]) -> Iterator[Moments]:
        factors = [one.factors for one in elements if isinstance(one, Solved)]
        if factors:
            yield Moments(worker, 1, np.concatenate(factors))

    return solved.mapPartitionsWithIndex(run).toLocalIterator()


def solved_from(context: SparkContext, sent: dict[int, Broadcast[Moments]], part: Part) -> RDD[Solved]:
    """Users' factors from a checkpoint, by worker, where their ratings are."""
    firsts = firsts_of(part)

    def own(worker: int, _: Iterable[Any]) -> Iterator[Solved]:
        if worker in sent:
            yield Solved(firsts[worker], sent[worker].value.values)

    numbers = context.parallelize([(one, None) for one in range(part.workers)], part.workers)
    placed = numbers.partitionBy(part.workers, partition_of_worker)
    return placed.mapPartitionsWithIndex(own, preservesPartitioning=True)
