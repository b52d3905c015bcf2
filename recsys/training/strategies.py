"""The ways to train: what the training loop asks of each, epoch by epoch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from pyspark import RDD, Broadcast

from recsys.config import Config
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part, rows_from
from recsys.data.split import TRAIN
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.scoring import share
from recsys.models.autoencoder.kernels.engine import plan_for
from recsys.training.checkpoint import Snapshot, read_moments
from recsys.training.elephas.adapter import ElephasBaseline, LocalSgdModel, compiled
from recsys.training.history import Seconds
from recsys.training.local_sgd.rounds import Rounds
from recsys.training.local_sgd.worker import Moments, Task, measure
from recsys.training.outer import outer_for

REBASE_ROUNDS = 10  # fewer are done again if an executor is lost; more weights are kept for that, one a round


class Strategy(Protocol):
    """A way to train: it holds the master model's weights, which rounds renew."""

    rounds: int  # of an epoch

    def train_round(self, epoch: int, number: int) -> Seconds:
        """One round: epochs count from 1, an epoch's rounds from 0. Where its seconds went."""

    def losses(self) -> dict[int, float]:
        """The mean loss of the master model on the rows of each role."""

    def renew(self, model: keras.Model) -> None:
        """Sets the model's weights to the master's."""

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """What training goes on from: the master's arrays, and each worker's moments."""

    def saved(self, checkpoint: Path) -> None:
        """`state` has been written there."""

    def restore(self, snapshot: Snapshot) -> None:
        """Goes on from there."""

    def close(self) -> None:
        """Frees what the strategy keeps in Spark."""


def strategy_for(
    model: keras.Model, config: Config, examples: Examples, parts: dict[int, Part], density: float
) -> Strategy:
    """The strategy that the settings name."""
    if config.training.strategy == "elephas":
        return Elephas(model, config, examples, parts)
    return LocalSgd(model, config, examples, parts, density)


class Elephas:
    """Elephas as it is: the baseline. One round an epoch is all that it knows."""

    rounds = 1

    def __init__(self, model: keras.Model, config: Config, examples: Examples, parts: dict[int, Part]) -> None:
        self._baseline = ElephasBaseline(model, config, examples, parts[TRAIN])
        self._examples, self._parts, self._model = examples, parts, config.model

    def train_round(self, epoch: int, number: int) -> Seconds:
        """All of an epoch."""
        clock = time.monotonic()
        self._baseline.train_epoch(epoch)
        return Seconds(compute=time.monotonic() - clock)

    def losses(self) -> dict[int, float]:
        """By the network, on dense batches."""
        shared = share(self._parts[TRAIN].blocks.context, self._baseline.network, self._model)
        try:
            measured = mean_losses(self._parts, shared, self._examples, self._model.loss)
            return {role: one.loss for role, one in measured.items()}
        finally:
            shared.destroy()

    def renew(self, model: keras.Model) -> None:
        """From Elephas' master network."""
        model.set_weights(self._baseline.network.get_weights())

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """The weights, which are all: Elephas begins each epoch with a new optimizer."""
        return {f"weights.{n}": one for n, one in enumerate(self._baseline.network.get_weights())}, iter(())

    def saved(self, checkpoint: Path) -> None:
        """Nothing is kept elsewhere."""

    def restore(self, snapshot: Snapshot) -> None:
        """Sets the weights."""
        found = [snapshot.arrays[f"weights.{n}"] for n in range(len(self._baseline.network.get_weights()))]
        self._baseline.network.set_weights(found)

    def close(self) -> None:
        """Nothing to free."""


class LocalSgd:
    """Local SGD by Elephas' `SparkModel`, extended."""

    def __init__(
        self, model: keras.Model, config: Config, examples: Examples, parts: dict[int, Part], density: float
    ) -> None:
        settings = config.training
        self.rounds = settings.syncs_per_epoch
        self._plan = plan_for(config.model, examples.width, density, settings.batch_size, settings.sampled_items)
        self._outer, self._learning_rate = outer_for(settings)
        self._kept = Rounds(parts[TRAIN])
        self._master = LocalSgdModel(compiled(model, config)[0], self._plan, self._outer, parts[TRAIN], self._kept)
        self._training = uuid.uuid4().hex
        self._config, self._examples, self._parts = config, examples, parts

    def train_round(self, epoch: int, number: int) -> Seconds:
        """All workers, and the outer optimizer."""
        return self._master.train_round(
            Task(
                plan=self._plan,
                examples=self._examples,
                training=self._training,
                seed=self._config.seed,
                epoch=epoch,
                epochs=self._config.training.epochs,
                round=number,
                rounds=self.rounds,
                batch_size=self._config.training.batch_size,
                learning_rate=self._learning_rate,
                schedule=self._config.training.schedule,
            )
        )

    def losses(self) -> dict[int, float]:
        """By the workers' engines, on sparse batches, in one Spark job."""
        weights = self._parts[TRAIN].blocks.context.broadcast(self._master.flat)
        found = self._measured(weights).collect()
        weights.destroy()
        totals = {role: np.zeros(2) for role in self._parts}
        for role, _, *sums in sorted(found):  # in the order of the workers
            totals[role] += sums
        return {role: float(total / weight) if weight else float("nan") for role, (total, weight) in totals.items()}

    def renew(self, model: keras.Model) -> None:
        """From the vector of the master's weights."""
        model.set_weights(self._plan.layout.to_keras(self._master.flat))

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """The master's weights and momentum, the workers' moments."""
        arrays = {"weights": self._master.flat}
        if self._outer.momentum is not None:
            arrays["momentum"] = self._outer.momentum
        return arrays, self._kept.moments()

    def saved(self, checkpoint: Path) -> None:
        """Now and then workers go on from what was written: all that Spark kept to do rounds again is let go."""
        if self._kept.lineage >= REBASE_ROUNDS:
            self._kept.restore(read_moments(checkpoint))

    def restore(self, snapshot: Snapshot) -> None:
        """Sets the master, and hands each worker its moments."""
        self._master.flat = snapshot.arrays["weights"]
        self._outer.momentum = snapshot.arrays.get("momentum")
        self._kept.restore(snapshot.moments)

    def close(self) -> None:
        """Frees the workers' moments."""
        self._kept.close()

    def _measured(self, weights: Broadcast[np.ndarray]) -> RDD[tuple[int, int, float, float]]:
        """A task a worker: the blocks of its roles come one role after the other."""
        plan, examples, training = self._plan, self._examples, self._training
        workers = self._parts[TRAIN].workers
        rows = {role: [part.rows_of(worker) for worker in range(workers)] for role, part in self._parts.items()}
        measured = {TRAIN: -(-self._config.training.loss_rows // workers)}  # of a worker; 0 and other roles: all

        def run(worker: int, blocks: Iterator[Block]) -> Iterator[tuple[int, int, float, float]]:
            for role in rows:
                own = rows_from(blocks, rows[role][worker])
                yield (
                    role,
                    worker,
                    *measure(plan, examples, training, weights.value, role, worker, own, measured.get(role, 0)),
                )

        together = self._parts[TRAIN].blocks.context.union([part.blocks for part in self._parts.values()])
        assert together.getNumPartitions() == workers  # as all parts were dealt by the same function
        return together.mapPartitionsWithIndex(run)
