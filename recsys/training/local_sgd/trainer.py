"""Local SGD on the driver: rounds of all workers, and an outer optimizer on their mean change."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import Broadcast

from recsys.data.partition import one_after_the_other
from recsys.data.split import TRAIN
from recsys.models.base import ModelFamily
from recsys.training.base import AfterRound, Trainer, TrainingData, WorkerPlan, no_checkpoint
from recsys.training.checkpoint import read_moments
from recsys.training.history import Seconds
from recsys.training.local_sgd.beside import Beside
from recsys.training.local_sgd.rounds import Reduced, Rounds, cores_of, spare_cores
from recsys.training.local_sgd.worker import Roles, Task, load, measure, train_round
from recsys.training.outer import outer_for
from recsys.training.state import Moments, Snapshot
from recsys.workers import preloading


class LocalSgdTrainer(Trainer):
    """Every worker trains its rows for a round from the master's weights, with its own optimizer state.

    Args:
        data: what is trained on.
        plan: how workers train.
        weights: the master's first weights, one float32 vector.
        family: makes the model from weights.
        preload: modules that workers import once a host, where they need more than NumPy (comma-separated).
    """

    def __init__(
        self,
        data: TrainingData,
        plan: WorkerPlan,
        weights: np.ndarray,
        family: Callable[[list[np.ndarray]], ModelFamily],
        preload: str | None = None,
    ) -> None:
        settings = data.config.training
        self.epochs, self.rounds = settings.epochs, settings.syncs_per_epoch
        self._data, self._plan, self._family, self._preload = data, plan, family, preload
        self._outer, self._learning_rate = outer_for(settings)
        self._flat = weights
        self._training = uuid.uuid4().hex
        self._rounds = Rounds(one_after_the_other(data.parts), self._training)
        self._sent: Broadcast[np.ndarray] | None = None
        self._begun: Beside[Reduced] | None = None  # the first round of the next epoch
        self._beside = 0.0
        roles, every = [TRAIN, *(role for role in data.parts if role != TRAIN)], range(data.parts[TRAIN].workers)
        self._roles: Roles = tuple((role, tuple(map(data.parts[role].rows_of, every))) for role in roles)

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        split = Seconds()
        for number in range(first_round, self.rounds):
            with self._preloading():
                split += self._train_round(epoch, number)
            if number + 1 < self.rounds:
                after_round(number + 1)
        return split

    def begin(self, epoch: int) -> None:
        part = self._data.parts[TRAIN]
        context = part.blocks.context
        if self._preload or not spare_cores(context, part.workers):  # one daemon at a time can be asked for
            return
        self._prepare()
        weights = self._send()
        self._begun = Beside(context, lambda: self._run_round(epoch, 0, weights))

    def beside(self) -> float:
        return self._beside

    def losses(self) -> dict[int, float]:
        """By the workers' engines, on sparse batches, in one Spark job."""
        parts, task = self._data.parts, self._task(self.epochs, 0)
        weights, some = self._send(), -(-self._data.config.training.loss_rows // parts[TRAIN].workers)  # 0: all

        def worker(number: int, elements: Iterable[Any]) -> Iterator[Any]:
            return measure(task, weights.value, number, elements, some)

        with self._preloading():
            self._prepare()
            measured = self._rounds.ask(worker, with_state=False)
        self._beside = self._begun.seconds if self._begun else 0.0
        totals = {role: np.zeros(2) for role in parts}
        for role, _, *sums in sorted(measured):  # in the order of the workers
            totals[role] += sums
        return {role: float(total / weight) if weight else float("nan") for role, (total, weight) in totals.items()}

    def weights(self) -> list[np.ndarray]:
        return self._plan.arrays(self._flat)

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        return self._family(self.weights() if weights is None else weights)

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """The master's weights and momentum, the workers' moments."""
        arrays = {"weights": self._flat}
        if self._outer.momentum is not None:
            arrays["momentum"] = self._outer.momentum
        return arrays, self._rounds.moments()

    def saved(self, checkpoint: Path) -> None:
        """Workers whose state is lost begin again from what was written, and not before."""
        self._rounds.begin_again_from(lambda: read_moments(checkpoint))

    def restore(self, snapshot: Snapshot) -> None:
        """Sets the master, and hands each worker its moments."""
        self._forget_sent()
        self._flat = snapshot.arrays["weights"]
        self._outer.momentum = snapshot.arrays.get("momentum")
        self._rounds.restore(snapshot.moments)

    def close(self) -> None:
        """Frees the workers' moments and rows."""
        if self._begun and self._begun.cancel():
            self._sent = None  # the rounds have it
        self._begun = None
        with self._preloading():  # else a daemon without those modules is started for it
            self._rounds.close()
        self._forget_sent()

    def _forget_sent(self) -> None:
        if self._sent is not None:
            self._sent.destroy()
            self._sent = None

    def _task(self, epoch: int, number: int) -> Task:
        config = self._data.config
        return Task(
            plan=self._plan,
            examples=self._data.examples,
            training=self._training,
            seed=config.seed,
            epoch=epoch,
            epochs=config.training.epochs,
            round=number,
            rounds=self.rounds,
            batch_size=config.training.batch_size,
            learning_rate=self._learning_rate,
            schedule=config.training.schedule,
            roles=self._roles,
        )

    def _send(self) -> Broadcast[np.ndarray]:
        """The master's weights: once for the losses and for the round after them."""
        if self._sent is None:
            self._sent = self._data.parts[TRAIN].blocks.context.broadcast(self._flat)
        return self._sent

    def _prepare(self) -> None:
        if not self._rounds.prepared:
            task = self._task(1, 0)
            self._rounds.prepare(lambda number, blocks: load(task, number, blocks))

    def _train_round(self, epoch: int, number: int) -> Seconds:
        part = self._data.parts[TRAIN]
        clock = time.monotonic()
        self._prepare()
        prepared = time.monotonic()
        weights = self._send()
        sent = time.monotonic() - prepared
        begun, self._begun = self._begun, None
        reduced = begun.result() if begun else self._run_round(epoch, number, weights)
        self._sent = None  # the rounds have it now, as long as they may be done again
        self._flat = self._outer.step(self._flat, reduced.delta)
        cores = cores_of(part.blocks.context, part.workers)
        data, compute = reduced.data_seconds / cores, reduced.compute_seconds / cores
        rest = max(0.0, reduced.seconds - data - compute)
        return Seconds(data=data + prepared - clock, compute=compute, reduce=rest, broadcast=sent)

    def _run_round(self, epoch: int, number: int, weights: Broadcast[np.ndarray]) -> Reduced:
        part, task = self._data.parts[TRAIN], self._task(epoch, number)

        def worker(number: int, elements: Iterable[Any]) -> Iterator[Any]:
            return train_round(task, weights.value, number, elements)

        trained = sum(len(range(rows)[task.slice(rows)]) for rows in map(part.rows_of, range(part.workers)))
        return self._rounds.run(worker, weights, trained)

    def _preloading(self) -> Any:
        context = self._data.parts[TRAIN].blocks.context
        return preloading(context, self._preload) if self._preload else nullcontext()
