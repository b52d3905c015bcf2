"""Rounds over Spark: plain tasks whose results are kept by Spark, so that its own retry gives the same again.

What workers keep from round to round is an RDD of its own, a partition a worker. A task that is retried, or moved to
another executor, starts from the same moments, recomputed from the round before if they were lost. Rows do not travel:
they lie on each executor's disk (recsys.training.local_sgd.kept), and a small element, `Ready`, stands for them in
Spark's cache. It is cached where the rows are, so that Spark prefers to send the task there; where the executor was
lost Spark makes it again, and the rows with it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import RDD, Broadcast, SparkContext

from recsys.data.partition import UNCOMPRESSED, Part, read_to_end
from recsys.training.local_sgd.gather import tree_reduce
from recsys.training.local_sgd.kept import Missing, Ready, RowsMissing, forget
from recsys.training.state import Moments

Element = Any  # Moments, Ready, Missing, or a result of a round, which has a number `worker`
Worker = Callable[[int, Iterable[Any]], Iterator[Element]]
_MISSES = 3  # after so many rounds that missed rows all are given the blocks at once: a disk may be full


@dataclass(frozen=True)
class Reduced:
    """The workers' deltas together: the mean weighted by rows trained, and what their work took in all."""

    delta: np.ndarray
    rows: int
    data_seconds: float
    compute_seconds: float
    seconds: float  # of the whole round


@dataclass(frozen=True)
class Done:
    """A round that Spark may have to do again."""

    state: RDD[Element]
    worker: Worker
    weights: Broadcast[Any]


class Rounds:
    """The state of the workers, and the rounds that change it.

    Args:
        part: the blocks.
        training: the id by which workers keep rows.
    """

    def __init__(self, part: Part, training: str = "") -> None:
        # a worker's state and its blocks meet in one task because both RDDs were partitioned by the same function
        assert part.blocks.partitioner is not None and part.blocks.getNumPartitions() == part.workers
        self._part, self._partitioner, self._training = part, part.blocks.partitioner, training
        self._ready: list[RDD[Element]] = []  # the last one stands for the rows
        self._misses = 0
        self._first: RDD[Element] | None = None  # the state before the rounds of `_done`
        self._state: RDD[Element] | None = None
        self._sent: list[Broadcast[Moments]] = []
        self._done: list[Done] = []
        self._cached: list[RDD[Element]] = []

    @property
    def prepared(self) -> bool:
        """Whether workers keep their rows."""
        return bool(self._ready)

    def prepare(self, work: Worker) -> list[Any]:
        """Has the workers keep their rows.

        `work` is given the blocks, or what the last call has made of them. It yields Ready, and results, which are
        returned in any order.
        """
        source = self._ready[-1] if self._ready else self._part.blocks
        made = source.mapPartitionsWithIndex(read_whole(work), preservesPartitioning=True).persist(UNCOMPRESSED)
        self._ready.append(made)
        return made.filter(lambda one: not isinstance(one, Ready)).collect()

    def run(self, worker: Worker, weights: Broadcast[np.ndarray], trained: int) -> Reduced:
        """One round of all workers; `trained` is how many rows it trains in all.

        Raises RuntimeError where another number was trained.
        """
        started = time.monotonic()
        reduced = self.advance(worker, weights, lambda state: tree_reduce(state, self._part.workers, trained))
        if reduced.rows != trained:
            raise RuntimeError(f"workers trained {reduced.rows:,} rows of {trained:,}")
        return Reduced(
            reduced.value, reduced.rows, reduced.data_seconds, reduced.compute_seconds, time.monotonic() - started
        )

    def advance(self, worker: Worker, weights: Broadcast[Any], gather: Callable[[RDD[Element]], Any]) -> Any:
        """One round: the workers' next state is what `worker` makes of each one's state and rows.

        Args:
            worker: yields Moments and a result; may raise RowsMissing before.
            weights: what it reads.
            gather: gets the new state and makes of the results what is returned; RowsMissing where one is Missing.
        """
        for state, rows in self._ways():
            after = self._after(state, rows, worker)
            self._cached.append(after)
            try:
                found = gather(after)
            except RowsMissing:
                self._cached.remove(after)
                after.unpersist()
                continue
            self._done.append(Done(after, worker, weights))
            self._state = after
            return found
        raise AssertionError("blocks were given, and nothing was before them that could be missing")

    def ask(self, work: Worker, with_state: bool = True) -> list[Any]:
        """What `work` makes of each worker's rows, and state if it needs it, in any order. The state stays as it is."""
        for state, rows in self._ways():
            found = _together(state if with_state else None, rows).mapPartitionsWithIndex(read_whole(work)).collect()
            if not any(isinstance(one, Missing) for one in found):
                return found
        raise AssertionError("blocks were given, and nothing was before them that could be missing")

    @property
    def lineage(self) -> int:
        """How many rounds Spark would have to do again, at worst, if an executor were lost."""
        return len(self._done)

    def restore(self, moments: Iterable[Moments]) -> None:
        """Hands the workers these moments; nothing that was before is needed any more."""
        self._let_go()
        context, workers = self._part.blocks.context, self._part.workers
        # a broadcast each: tasks would not take that much, and a worker reads its own alone
        sent = {one.worker: context.broadcast(one) for one in moments}

        def own(worker: int, _: Iterable[Any]) -> Iterator[Moments]:
            if worker in sent:
                yield sent[worker].value

        numbers = context.parallelize([(one, None) for one in range(workers)], workers)
        placed = numbers.partitionBy(workers, self._partitioner.partitionFunc)
        self._first = placed.mapPartitionsWithIndex(read_whole(own), preservesPartitioning=True)
        self._state = self._first
        self._sent = list(sent.values())

    def moments(self) -> Iterator[Moments]:
        """The state of one worker after the other."""
        given = -1  # the last worker whose state was
        for again in (False, True):
            if again:
                self._train_again()
            if self._state is None:
                return
            for one in self._state.filter(lambda one: isinstance(one, Moments | Missing)).toLocalIterator():
                if isinstance(one, Missing):
                    break
                if one.worker > given:
                    given = one.worker
                    yield one
            else:
                return

    def forget(self, keep: int = 1) -> None:
        """Frees what rounds but for the last `keep` have left in Spark's cache."""
        while len(self._cached) > keep:
            self._cached.pop(0).unpersist()

    def close(self) -> None:
        """Frees everything, the rows on the executors' disks too."""
        if self._ready:
            training = self._training

            def clean(elements: Iterable[Any]) -> Iterator[Any]:
                read_to_end(elements)
                forget(training)
                yield from ()

            self._ready[-1].mapPartitions(clean).count()
        for made in self._ready:
            made.unpersist()
        self._ready = []
        self._let_go()

    def _let_go(self) -> None:
        self.forget(0)
        for one in self._done:
            one.weights.destroy()
        for moments in self._sent:
            moments.destroy()
        self._done, self._sent, self._first, self._state = [], [], None, None

    def _ways(self) -> Iterator[tuple[RDD[Element] | None, RDD[Element]]]:
        """State and rows, by one way after the other until nothing is missing.

        A task gets `Ready` alone. Where it ran on another executor than the one that made it, all get the blocks. Where
        Spark has done an earlier round again on such an executor, that round's state is missing, and all rounds are
        done again with the blocks.
        """
        if self._ready and self._misses < _MISSES:
            yield self._state, self._ready[-1]
            self._misses += 1
        yield self._state, self._part.blocks
        self._train_again()
        yield self._state, self._part.blocks

    def _after(self, state: RDD[Element] | None, rows: RDD[Element], worker: Worker) -> RDD[Element]:
        together = _together(state, rows)
        return together.mapPartitionsWithIndex(read_whole(worker), preservesPartitioning=True).persist(UNCOMPRESSED)

    def _train_again(self) -> None:
        """All rounds since the workers were handed moments, with the blocks: none of these can miss rows."""
        state = self._first
        for number, one in enumerate(self._done):
            after = self._after(state, self._part.blocks, one.worker)
            self._cached.append(after)
            after.count()
            self._done[number] = Done(after, one.worker, one.weights)
            self.forget()
            state = after
        self._state = state


def read_whole(work: Worker) -> Worker:
    """`work`, which says where rows are missing, and leaves nothing of its input unread."""

    def run(number: int, elements: Iterable[Any]) -> Iterator[Element]:
        elements = iter(elements)
        try:
            yield from work(number, elements)
        except RowsMissing:
            yield Missing(number)
        read_to_end(elements)

    return run


def cores_of(context: SparkContext, workers: int) -> int:
    """How many workers run at a time: on local[N] at most N, on a cluster all, as each has a core there."""
    local = re.fullmatch(r"local\[(\d+)\]", str(context.master))
    return min(workers, int(local[1])) if local else workers


def _together(state: RDD[Element] | None, rows: RDD[Element]) -> RDD[Element]:
    return rows if state is None else state.union(rows)
