"""What a worker does in a round of local SGD (Stich 2019, arXiv 1805.09767): plain iterators, no Spark.

A worker starts from the master's weights and from its own Adam moments of the round before, trains its part of the
epoch's rows, and gives back its moments and how far its weights have moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from recsys.data.arrays import Arrays, arrays_of
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import rows_from
from recsys.data.split import TRAIN
from recsys.training.base import Step, WorkerEngine, WorkerPlan
from recsys.training.local_sgd.kept import Key, Ready, read
from recsys.training.state import Moments

_engines: dict[WorkerPlan, WorkerEngine] = {}  # one a process: another plan takes its place
Roles = tuple[tuple[int, tuple[int, ...]], ...]  # (role, rows of each worker), in the order in which blocks come


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
    roles: Roles = ()  # none: all blocks are trained

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
    rows_of, state = read_arrays(task.training, task.examples, task.roles, worker, elements)
    arrays, state = rows_of[TRAIN], state if state and state.step else None
    data_seconds = time.monotonic() - clock
    if not arrays.rows:
        yield Moments(worker, 0, np.zeros((2, 0), np.float32))
        yield Delta(worker, 0, np.zeros(0, np.float32), data_seconds, 0.0)
        return
    clock = time.monotonic()
    engine = engine_for(task.plan)
    engine.load(weights, state.values if state else None, state.step if state else 0)
    state = None  # twice as large as the model: not held while the engine has its own
    order = np.random.default_rng([task.seed, task.epoch, worker]).permutation(arrays.rows)
    generator = np.random.default_rng([task.seed, task.epoch, worker, task.round + 1])
    chosen = order[task.slice(arrays.rows)]
    rows = engine.train(arrays, chosen, task.batch_size, task.steps(len(chosen)), generator)
    seconds = time.monotonic() - clock
    yield Moments(worker, engine.step, engine.moments())
    delta = engine.weights()
    del engine  # several times as large as what it has come to
    np.subtract(weights, delta, out=delta)
    yield Delta(worker, rows, delta, data_seconds, seconds)


def measure(
    task: Task, weights: np.ndarray, worker: int, elements: Iterable[Any], some: int = 0
) -> Iterator[tuple[int, int, float, float]]:
    """(role, worker, sum, weight) of the loss over a worker's rows of each role; where `some`, over so many trained."""
    arrays, _ = read_arrays(task.training, task.examples, task.roles, worker, elements)
    engine = engine_for(task.plan)
    engine.load_weights(weights)
    for role, of_role in arrays.items():
        yield (role, worker, *engine.measure(of_role, some if role == TRAIN else 0))


def load(task: Task, worker: int, blocks: Iterable[Block]) -> Iterator[Ready]:
    """Has this executor keep the worker's rows."""
    read_arrays(task.training, task.examples, task.roles, worker, blocks)
    yield Ready(worker)


def engine_for(plan: WorkerPlan) -> WorkerEngine:
    """An engine for the plan: where the plan keeps it this process' own, made the first time."""
    if not plan.keeps_engine:
        return cast(WorkerEngine, plan.engine())
    if plan not in _engines:
        _engines.clear()
        _engines[plan] = plan.engine()
    return _engines[plan]


def read_arrays(
    training: str, examples: Examples, roles: Roles, worker: int, elements: Iterable[Any]
) -> tuple[dict[int, Arrays], Moments | None]:
    """A worker's rating arrays of each role, and its state; RowsMissing where they are not on this executor."""

    def decode(blocks: Iterable[Block]) -> dict[int, Arrays]:
        if not roles:
            return {TRAIN: arrays_of(blocks, examples, TRAIN)}
        in_order = iter(blocks)
        return {role: arrays_of(rows_from(in_order, rows[worker]), examples, role) for role, rows in roles}

    return read(Key(training, worker), elements, decode)
