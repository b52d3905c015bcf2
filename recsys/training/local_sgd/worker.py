"""What a worker does in a round of local SGD (Stich 2019, arXiv 1805.09767): plain iterators, no Spark.

A worker starts from the master's weights and from its own Adam moments of the round before, trains its part of the
epoch's rows, and gives back its moments and how far its weights have moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.data.arrays import Arrays, arrays_of
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.split import TRAIN
from recsys.training.base import Step, WorkerEngine, WorkerPlan
from recsys.training.state import Moments

_engines: dict[WorkerPlan, WorkerEngine] = {}  # one a process: another plan takes its place
_arrays: dict[tuple[str, int, int], Arrays] = {}  # one worker's, so that processes that take turns do not hold them all


@dataclass(frozen=True)
class Task:
    """A round, the same for all workers."""

    plan: WorkerPlan
    examples: Examples
    training: str  # another one for other data: what a process may keep goes by it
    seed: int
    epoch: int  # from 1
    epochs: int
    round: int  # of the epoch, from 0
    rounds: int
    batch_size: int
    learning_rate: float
    schedule: str = "constant"

    def slice(self, rows: int) -> slice:
        """Which of a worker's rows, in the epoch's order, are trained in this round."""
        return slice(rows * self.round // self.rounds, rows * (self.round + 1) // self.rounds)

    def steps(self, rows: int) -> list[Step]:
        """The steps of the round.

        A "cosine" falls from the first step of training to the last (Loshchilov and Hutter 2017, eq. 5, no restarts).
        """
        batches = -(-rows // self.batch_size)
        done = self.epoch - 1 + (self.round + np.arange(batches) / max(batches, 1)) / self.rounds  # in epochs
        scales = 0.5 * (1 + np.cos(np.pi * done / self.epochs)) if self.schedule == "cosine" else np.ones(batches)
        return list(zip((self.learning_rate * scales).tolist(), done.tolist(), strict=True))


@dataclass(frozen=True)
class Delta:
    """What a worker's round came to."""

    worker: int
    rows: int
    value: np.ndarray  # float32 (size): weights before - after
    data_seconds: float
    compute_seconds: float


def train_round(
    task: Task, weights: np.ndarray, worker: int, elements: Iterable[Block | Moments | Delta]
) -> Iterator[Moments | Delta]:
    """One worker's round: from its moments, if it has some, and its blocks, to its new moments and its delta."""
    clock = time.monotonic()
    arrays, state = _read(task, worker, elements)
    data_seconds = time.monotonic() - clock
    if not arrays.rows:
        yield Moments(worker, 0, np.zeros((2, 0), np.float32))
        yield Delta(worker, 0, np.zeros(0, np.float32), data_seconds, 0.0)
        return
    clock = time.monotonic()
    engine = engine_for(task.plan)
    engine.load(weights, state.values if state else None, state.step if state else 0)
    order = np.random.default_rng([task.seed, task.epoch, worker]).permutation(arrays.rows)
    generator = np.random.default_rng([task.seed, task.epoch, worker, task.round + 1])
    chosen = order[task.slice(arrays.rows)]
    rows = engine.train(arrays, chosen, task.batch_size, task.steps(len(chosen)), generator)
    moments = Moments(worker, engine.step, engine.moments())
    delta = weights - engine.weights()
    yield moments
    yield Delta(worker, rows, delta, data_seconds, time.monotonic() - clock)


def measure(
    plan: WorkerPlan,
    examples: Examples,
    training: str,
    weights: np.ndarray,
    role: int,
    worker: int,
    blocks: Iterable[Block],
    rows: int = 0,
) -> tuple[float, float]:
    """(sum, weight) of the loss over a worker's rows of that role, or over so many of them, evenly taken."""
    arrays = _arrays_for((training, role, worker), blocks, examples)
    engine = engine_for(plan)
    engine.load_weights(weights)
    return engine.measure(arrays, rows)


def engine_for(plan: WorkerPlan) -> WorkerEngine:
    """This process' engine for the plan, made the first time."""
    if plan not in _engines:
        _engines.clear()
        _engines[plan] = plan.engine()
    return _engines[plan]


def _read(task: Task, worker: int, elements: Iterable[Any]) -> tuple[Arrays, Moments | None]:
    state: list[Moments] = []

    def blocks() -> Iterator[Block]:
        for element in elements:
            if isinstance(element, Block):
                yield element
            elif isinstance(element, Moments) and element.step:
                state.append(element)

    arrays = _arrays_for((task.training, TRAIN, worker), blocks(), task.examples)
    return arrays, state[0] if state else None


def _arrays_for(key: tuple[str, int, int], blocks: Iterable[Block], examples: Examples) -> Arrays:
    """The rating arrays of the blocks, from the process' memory if they are there; `blocks` is read to its end."""
    if key in _arrays:
        for _ in blocks:
            pass
    else:
        for other in [one for one in _arrays if (one[0], one[2]) != (key[0], key[2])]:
            del _arrays[other]
        _arrays[key] = arrays_of(blocks, examples, key[1])
    return _arrays[key]
