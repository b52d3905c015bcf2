"""Rounds over Spark: plain tasks whose results are kept by Spark, so that its own retry gives the same again.

What workers keep from round to round is an RDD of its own, a partition a worker, beside the blocks: a task that is
retried, or moved to another executor, starts from the same moments, recomputed from the round before if they were lost.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import RDD, Broadcast, SparkContext, StorageLevel

from recsys.data.partition import Part
from recsys.training.local_sgd.worker import Delta
from recsys.training.state import Moments

Element = Any  # Moments | Delta
Worker = Callable[[int, Iterable[Any]], Iterator[Element]]


@dataclass(frozen=True)
class Reduced:
    """The workers' deltas together: the mean weighted by rows trained, and what their work took in all."""

    delta: np.ndarray
    rows: int
    data_seconds: float
    compute_seconds: float
    seconds: float  # of the whole round


class Rounds:
    """The state of the workers, and the rounds that change it."""

    def __init__(self, part: Part) -> None:
        # a worker's state and its blocks meet in one task because both RDDs were partitioned by the same function
        assert part.blocks.partitioner is not None and part.blocks.getNumPartitions() == part.workers
        self._part, self._partitioner = part, part.blocks.partitioner
        self._state: RDD[Element] | None = None
        self._sent: list[Broadcast[Moments]] = []
        self._old: list[tuple[RDD[Element], Broadcast[Any]]] = []
        self._cached: list[RDD[Element]] = []

    def run(self, worker: Worker, weights: Broadcast[np.ndarray], trained: int) -> Reduced:
        """One round of all workers; `trained` is how many rows it trains in all.

        Raises RuntimeError where another number was trained.
        """
        started = time.monotonic()
        reduced = tree_reduce(self.advance(worker, weights), self._part.workers, trained)
        if reduced.rows != trained:
            raise RuntimeError(f"workers trained {reduced.rows:,} rows of {trained:,}")
        return Reduced(
            reduced.value, reduced.rows, reduced.data_seconds, reduced.compute_seconds, time.monotonic() - started
        )

    def advance(self, worker: Worker, weights: Broadcast[Any]) -> RDD[Element]:
        """The workers' next state: what `worker` makes of each one's state and blocks, once an action needs it."""
        state = self.together.mapPartitionsWithIndex(worker, preservesPartitioning=True)
        state = state.persist(StorageLevel.MEMORY_AND_DISK)
        self._old.append((state, weights))
        self._cached.append(state)
        self._state = state
        return state

    @property
    def together(self) -> RDD[Element]:
        """Each worker's state, where it has one, and then its blocks."""
        return self._part.blocks if self._state is None else self._state.union(self._part.blocks)

    @property
    def lineage(self) -> int:
        """How many rounds Spark would have to do again, at worst, if an executor were lost."""
        return len(self._old)

    def restore(self, moments: Iterable[Moments]) -> None:
        """Hands the workers these moments; nothing that was before is needed any more."""
        self.close()
        context, workers = self._part.blocks.context, self._part.workers
        # a broadcast each: tasks would not take that much, and a worker reads its own alone
        sent = {one.worker: context.broadcast(one) for one in moments}

        def own(worker: int, _: Iterable[Any]) -> Iterator[Moments]:
            if worker in sent:
                yield sent[worker].value

        numbers = context.parallelize([(one, None) for one in range(workers)], workers)
        placed = numbers.partitionBy(workers, self._partitioner.partitionFunc)
        self._state = placed.mapPartitionsWithIndex(own, preservesPartitioning=True)
        self._sent = list(sent.values())

    def moments(self) -> Iterator[Moments]:
        """The state of one worker after the other."""
        if self._state is not None:
            yield from self._state.filter(lambda one: isinstance(one, Moments)).toLocalIterator()

    def forget(self, keep: int = 1) -> None:
        """Frees what rounds but for the last `keep` have left in Spark's cache."""
        while len(self._cached) > keep:
            self._cached.pop(0).unpersist()

    def close(self) -> None:
        """Frees everything."""
        self.forget(0)
        for _, weights in self._old:
            weights.destroy()
        for moments in self._sent:
            moments.destroy()
        self._old, self._sent = [], []


def cores_of(context: SparkContext, workers: int) -> int:
    """How many workers run at a time: on local[N] at most N, on a cluster all, as each has a core there."""
    local = re.fullmatch(r"local\[(\d+)\]", str(context.master))
    return min(workers, int(local[1])) if local else workers


def tree_reduce(state: RDD[Element], workers: int, trained: int) -> Delta:
    """The weighted mean of the deltas, added up in groups of about sqrt(workers) on the executors and then here.

    Always in the order of the workers, so that the sum is the same however tasks were scheduled.
    """
    groups = max(1, math.isqrt(workers))
    size = -(-workers // groups)

    def weigh(elements: Iterable[Element]) -> Iterator[tuple[int, Delta]]:
        for one in elements:
            if isinstance(one, Delta):
                share = np.float32(one.rows / trained) * one.value
                yield one.worker // size, Delta(one.worker, one.rows, share, one.data_seconds, one.compute_seconds)

    def add(pairs: Iterable[tuple[int, Delta]]) -> Iterator[Delta]:
        parts = sorted((one for _, one in pairs), key=lambda one: one.worker)
        if parts:
            yield add_up(parts)

    weighed = state.mapPartitions(weigh)
    if workers > 2:
        weighed = weighed.partitionBy(groups, lambda group: group)
    return add_up(sorted(weighed.mapPartitions(add).collect(), key=lambda one: one.worker))


def add_up(parts: list[Delta]) -> Delta:
    """The sum of weighed deltas, in the order given; empty ones count for nothing. Times add up, too."""
    total = np.zeros(max(len(one.value) for one in parts), np.float32)
    for one in parts:
        if one.rows:
            total += one.value
    data, compute = (math.fsum(getattr(one, name) for one in parts) for name in ("data_seconds", "compute_seconds"))
    rows = sum(one.rows for one in parts)
    return Delta(parts[0].worker, rows, total, data, compute)
