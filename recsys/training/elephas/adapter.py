"""Elephas, as it is and extended: the only module that imports elephas.

Elephas 7.3.0 counts partitions that it did not train (rows <= batch size), starts Adam anew in every epoch, turns a
partition into dense arrays twice and keeps no losses of the averaged model. As the baseline ("elephas") it is left as
it is: the first is refused, and the losses are computed by this project. "local_sgd" is `SparkModel` with rounds of its
own: sparse batches, Adam's moments kept, deltas weighted by rows, an outer optimizer. What its workers run is a plain
function: an `elephas.worker.SparkWorker` there would make each host import TensorFlow, which nothing in a round needs.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from elephas.spark_model import SparkModel
from pyspark import RDD

from recsys.config import Config
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TRAIN
from recsys.errors import UserError
from recsys.losses.keras_losses import TRAINING
from recsys.models.autoencoder.kernels.engine import Plan
from recsys.tensorflow_env import limit_threads
from recsys.training.history import Seconds
from recsys.training.local_sgd.rounds import Rounds, cores_of
from recsys.training.local_sgd.worker import Task, train_round
from recsys.training.outer import Outer
from recsys.workers import preloading

Row = tuple[np.ndarray, np.ndarray]


def compiled(model: keras.Model, config: Config) -> tuple[keras.Model, dict[str, Any]]:
    """A copy as Elephas takes it, compiled, and its custom objects; `model` stays one that plain Keras can load."""
    copy = keras.models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    loss = TRAINING[config.model.loss]
    copy.compile(optimizer=keras.optimizers.Adam(config.training.learning_rate), loss=loss)
    return copy, {config.model.loss: loss} if callable(loss) else {}


class ElephasBaseline:
    """Synchronous training by `elephas.SparkModel`, one local epoch a round."""

    def __init__(self, model: keras.Model, config: Config, examples: Examples, part: Part) -> None:
        check_partitions(part, config.training.batch_size)
        network, custom = compiled(model, config)
        self._spark_model = SparkModel(network, custom_objects=custom)
        self._config, self._examples, self._part = config, examples, part

    @property
    def network(self) -> keras.Model:
        """The master network, compiled."""
        return self._spark_model.master_network

    def train_epoch(self, epoch: int) -> None:
        """One pass of all workers over their partitions, then the mean of their weights into the network."""
        seed = (self._config.seed * 1_000_003 + epoch) * 1_009
        rows = self._part.blocks.mapPartitionsWithIndex(dense_rows(self._examples, seed))
        # Elephas prints to the screen
        with preloading(rows.context), contextlib.redirect_stdout(io.StringIO()):
            self._spark_model.fit(rows, epochs=1, batch_size=self._config.training.batch_size, verbose=0)


class LocalSgdModel(SparkModel):  # type: ignore[misc]
    """`SparkModel` that keeps its workers' state from round to round, and gives their mean delta to an outer optimizer.

    `flat` holds the master model's weights as one vector (see recsys.models.autoencoder.kernels.layout).
    """

    def __init__(self, network: keras.Model, plan: Plan, outer: Outer, part: Part, rounds: Rounds) -> None:
        super().__init__(network)
        self.flat = plan.layout.from_keras(network.get_weights())
        self.outer = outer
        self._plan, self._part, self._rounds = plan, part, rounds
        self._seconds = Seconds()

    def train_round(self, task: Task) -> Seconds:
        """One round; where its seconds went."""
        with contextlib.redirect_stdout(io.StringIO()):  # Elephas prints to the screen
            self.fit(self._part.blocks, task=task)
        return self._seconds

    def _fit(self, rdd: RDD, **kwargs: Any) -> None:
        task: Task = kwargs["task"]
        clock = time.monotonic()
        weights = rdd.context.broadcast(self.flat)
        sent = time.monotonic() - clock

        def worker(number: int, elements: Iterator[Any]) -> Iterator[Any]:
            return train_round(task, weights.value, number, elements)

        trained = sum(
            len(range(rows)[task.share(rows)])
            for rows in (self._part.rows_of(one) for one in range(self._part.workers))
        )
        reduced = self._rounds.run(worker, weights, trained)
        self._rounds.forget()
        self.flat = self.outer.step(self.flat, reduced.delta)
        cores = cores_of(rdd.context, self._part.workers)
        data, compute = reduced.data_seconds / cores, reduced.compute_seconds / cores
        self._seconds = Seconds(
            data=data,
            compute=compute,
            reduce=max(0.0, reduced.seconds - data - compute),
            broadcast=sent,
        )


def dense_rows(examples: Examples, seed: int) -> Callable[[int, Iterator[Block]], Iterator[Row]]:
    """(input, target) pairs of dense rating arrays, one a user, the same array for both, as Elephas takes them.

    The process' seeds and threads are set when the partition starts, before Elephas builds its model.
    """

    def rows(partition: int, blocks: Iterator[Block]) -> Iterator[Row]:
        limit_threads()
        keras.utils.set_random_seed((seed + partition) % 2**32)
        return _generate(examples, blocks)

    return rows


def _generate(examples: Examples, blocks: Iterator[Block]) -> Iterator[Row]:
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
