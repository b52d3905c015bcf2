"""Rounds over Spark: plain tasks that come to the same wherever Spark has them done, and however often.

Neither rows nor what workers keep from round to round travels: both lie on each executor's disk (kept.py and states.py
beside this). A small element, `Ready`, stands for the rows in Spark's cache. It is cached where the rows are, so that
Spark prefers to send the task there; where the executor was lost Spark makes it again, and the rows with it. A task
that does not find what it needs says so, and the round is done again with all that is needed to make it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import RDD, Broadcast, SparkContext

from recsys.data.partition import UNCOMPRESSED, Part, read_to_end
from recsys.training.local_sgd.gather import tree_reduce
from recsys.training.local_sgd.kept import Missing, Ready, RowsMissing, forget
from recsys.training.local_sgd.states import Start, Worker, a_round, with_state
from recsys.training.state import Moments

Element = Any  # Moments, Ready, Missing, or a result of a round, which has a number `worker`
_MISSES = 3  # after so many rounds that missed rows all are given the blocks at once: a disk may be full


@dataclass(frozen=True)
class Reduced:
    """The workers' deltas together: the mean weighted by rows trained, and what their work took in all."""

    delta: np.ndarray
    rows: int
    data_seconds: float
    compute_seconds: float
    seconds: float  # of the whole round


class Rounds:
    """The rounds that change the workers' states.

    Args:
        part: the blocks.
        training: the id by which workers keep rows and states.
    """

    def __init__(self, part: Part, training: str) -> None:
        self._part, self._training = part, training
        self._ready: list[RDD[Element]] = []  # the last one stands for the rows
        self._misses = 0
        self._rounds = 0  # how many were done
        self._done: list[tuple[Worker, Broadcast[Any]]] = []  # since `_sent`, or `_read`, which is not sent yet
        self._sent: dict[int, Broadcast[Moments]] = {}
        self._read: Callable[[], Iterable[Moments]] | None = None

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
        # all of them: to leave some out, each task would have a second Python process
        return [one for one in made.collect() if not isinstance(one, Ready)]

    def run(self, worker: Worker, weights: Broadcast[np.ndarray], trained: int) -> Reduced:
        """One round of all workers; `trained` is how many rows it trains in all.

        Raises RuntimeError where another number was trained.
        """
        started = time.monotonic()
        reduced = self.advance(worker, weights, lambda results: tree_reduce(results, self._part.workers, trained))
        if reduced.rows != trained:
            raise RuntimeError(f"workers trained {reduced.rows:,} rows of {trained:,}")
        return Reduced(
            reduced.value, reduced.rows, reduced.data_seconds, reduced.compute_seconds, time.monotonic() - started
        )

    def advance(self, worker: Worker, weights: Broadcast[Any], gather: Callable[[RDD[Element]], Any]) -> Any:
        """One round: the workers' next state is what `worker` makes of each one's state and rows.

        Args:
            worker: yields Moments and a result; may raise RowsMissing before.
            weights: what it reads; destroyed when the round needs not be done again any more.
            gather: makes of the results what is returned; RowsMissing where one is Missing.
        """
        for rows, start in self._ways():
            work = a_round(worker, self._training, self._rounds, start)
            with suppress(RowsMissing):
                found = gather(rows.mapPartitionsWithIndex(read_whole(work)))
                self._done.append((worker, weights))
                self._rounds += 1
                return found
        raise AssertionError("a worker had all that it needs, and missed something")

    def ask(self, work: Worker, with_state: bool = True) -> list[Any]:
        """What `work` makes of each worker's rows, and state if it needs it, in any order. The state stays as it is."""
        for rows, start in self._ways(with_state):
            run = self._with_state(work, start) if with_state else work
            found = rows.mapPartitionsWithIndex(read_whole(run)).collect()
            if not any(isinstance(one, Missing) for one in found):
                return found
        raise AssertionError("a worker had all that it needs, and missed something")

    def restore(self, moments: Iterable[Moments]) -> None:
        """Hands the workers these moments, before the first round."""
        assert not self._rounds
        self._send(moments)

    def begin_again_from(self, read: Callable[[], Iterable[Moments]]) -> None:
        """From now on workers whose state is lost begin with what `read` gives then: their states as they are now."""
        self._let_go()
        self._read = read

    def moments(self) -> Iterator[Moments]:
        """The state of one worker after the other."""
        given = -1  # the last worker whose state was

        def own(_: int, elements: Iterable[Any]) -> Iterator[Moments]:
            return (one for one in elements if isinstance(one, Moments))

        for rows, start in self._ways():
            work = read_whole(self._with_state(own, start))
            for one in rows.mapPartitionsWithIndex(work).toLocalIterator():
                if isinstance(one, Missing):
                    break
                if one.worker > given:
                    given = one.worker
                    yield one
            else:
                return

    def close(self) -> None:
        """Frees everything, what is on the executors' disks too."""
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
        """Of all that is needed to do rounds again."""
        for _, weights in self._done:
            weights.destroy()
        for moments in self._sent.values():
            moments.destroy()
        self._done, self._sent, self._read = [], {}, None

    def _ways(self, with_state: bool = True) -> Iterator[tuple[RDD[Element], Start | None]]:
        """Rows, and where to begin again if the state is needed, by one way after the other until nothing is missing.

        A task gets `Ready` alone and finds its rows and its state. Where it ran on another executor than the ones
        before, all get the blocks, and do again what others have done.
        """
        if self._ready and self._misses < _MISSES:
            yield self._ready[-1], None if self._done or self._read or not with_state else self._start()
            self._misses += 1
        yield self._part.blocks, self._start() if with_state else None

    def _start(self) -> Start:
        if self._read:
            self._send(self._read())
            self._read = None
        return Start(self._rounds - len(self._done), self._sent, tuple(worker for worker, _ in self._done))

    def _send(self, moments: Iterable[Moments]) -> None:
        # a broadcast each: tasks would not take that much, and a worker reads its own alone
        self._sent = {one.worker: self._part.blocks.context.broadcast(one) for one in moments}

    def _with_state(self, work: Worker, start: Start | None) -> Worker:
        training, rounds = self._training, self._rounds

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
            return work(worker, with_state(training, worker, rounds, elements, start))

        return run


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
    return min(workers, local_cores(context) or workers)


def spare_cores(context: SparkContext, workers: int) -> int:
    """How many cores are idle while all workers run.

    0 on a cluster: a second task of a worker would take the core of another one's, or run where its rows are not.
    """
    return max(0, local_cores(context) - workers)


def local_cores(context: SparkContext) -> int:
    """Of local[N], else 0."""
    local = re.fullmatch(r"local\[(\d+|\*)\]", str(context.master))
    return 0 if not local else os.cpu_count() or 1 if local[1] == "*" else int(local[1])
