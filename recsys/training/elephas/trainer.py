"""Elephas as it is, the baseline: the only module that imports elephas.

Elephas 7.3.0 counts partitions that it did not train (rows <= batch size), starts Adam anew in every epoch, turns a
partition into dense arrays twice and keeps no losses of the averaged model. The first is refused here, and the losses
are computed by this project. The rest is left as it is.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from elephas.spark_model import SparkModel

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TRAIN
from recsys.errors import UserError
from recsys.evaluation.loss import mean_losses
from recsys.losses.base import Loss
from recsys.models.base import ModelFamily
from recsys.tensorflow_env import limit_threads
from recsys.training.base import AfterRound, Trainer, TrainingData, no_checkpoint
from recsys.training.history import Seconds
from recsys.training.state import Moments, Snapshot
from recsys.workers import preloading

Row = tuple[np.ndarray, np.ndarray]


class ElephasTrainer(Trainer):
    """Synchronous training by `elephas.SparkModel`, one local epoch a round.

    Args:
        data: what is trained on.
        network: an untrained Keras model; compiled here with Adam and the loss unless it is compiled already.
        loss: the loss that is minimised and reported.
        family: makes the model from weights.
    """

    def __init__(
        self,
        data: TrainingData,
        network: keras.Model,
        loss: Loss,
        family: Callable[[list[np.ndarray]], ModelFamily],
    ) -> None:
        settings = data.config.training
        check_partitions(data.parts[TRAIN], settings.batch_size)
        compiled, custom = _compiled(network, loss, settings.learning_rate)
        self._spark_model = SparkModel(compiled, custom_objects=custom)
        self._data, self._loss, self._family = data, loss, family
        self.epochs = settings.epochs

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        """One pass of all workers over their partitions, then the mean of their weights into the network."""
        clock = time.monotonic()
        config = self._data.config
        seed = (config.seed * 1_000_003 + epoch) * 1_009
        rows = self._data.parts[TRAIN].blocks.mapPartitionsWithIndex(dense_rows(self._data.examples, seed))
        # Elephas prints to the screen
        with preloading(rows.context), contextlib.redirect_stdout(io.StringIO()):
            self._spark_model.fit(rows, epochs=1, batch_size=config.training.batch_size, verbose=0)
        return Seconds(compute=time.monotonic() - clock)

    def losses(self) -> dict[int, float]:
        scorer = self.as_model(None).scorer()
        shared = self._data.parts[TRAIN].blocks.context.broadcast(scorer)
        try:
            measured = mean_losses(self._data.parts, shared, self._data.examples, self._loss)
            return {role: mean.loss for role, mean in measured.items()}
        finally:
            shared.destroy()

    def weights(self) -> list[np.ndarray]:
        weights: list[np.ndarray] = self._spark_model.master_network.get_weights()
        return weights

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        return self._family(self.weights() if weights is None else weights)

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """The weights, which are all: Elephas begins each epoch with a new optimizer."""
        return {f"weights.{number}": array for number, array in enumerate(self.weights())}, iter(())

    def restore(self, snapshot: Snapshot) -> None:
        network = self._spark_model.master_network
        network.set_weights([snapshot.arrays[f"weights.{number}"] for number in range(len(network.get_weights()))])


def _compiled(model: keras.Model, loss: Loss, learning_rate: float) -> tuple[keras.Model, dict[str, Any]]:
    """A compiled copy as Elephas takes it, and its custom objects; a model that is compiled is taken as it is."""
    if model.compiled:
        return model, {}
    copy = keras.models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    function = loss.keras_loss()
    copy.compile(optimizer=keras.optimizers.Adam(learning_rate), loss=function)
    return copy, {loss.name: function} if callable(function) else {}


def dense_rows(examples: Examples, seed: int) -> Callable[[int, Iterable[Block]], Iterable[Row]]:
    """(input, target) pairs of dense rating arrays, one a user, the same array for both, as Elephas takes them.

    The process' seeds and threads are set when the partition starts, before Elephas builds its model.
    """

    def rows(partition: int, blocks: Iterable[Block]) -> Iterator[Row]:
        limit_threads()
        keras.utils.set_random_seed((seed + partition) % 2**32)
        return _generate(examples, blocks)

    return rows


def _generate(examples: Examples, blocks: Iterable[Block]) -> Iterator[Row]:
    for block in blocks:
        shown, _ = examples.arrays(block, TRAIN)
        for array in examples.preprocessing.scale(shown).toarray():
            yield array, array


def check_partitions(part: Part, batch_size: int) -> None:
    """Refuses what Elephas would silently skip: partitions of no more rows than a batch has."""
    if part.smallest > batch_size:
        return
    most = part.rows // (batch_size + 1)
    raise UserError(
        f"Elephas skips partitions of no more rows than a batch: {part.rows:,} training users in "
        f"{part.workers} partitions are {part.smallest:,} each, training.batch_size is {batch_size}; "
        + (f"set training.workers to at most {most}, or " if most else "")
        + f"set training.batch_size below {part.smallest:,}, or training.strategy = 'local_sgd'"
    )
