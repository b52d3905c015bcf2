"""Training by Elephas as it is: the only module that imports elephas.

Elephas 7.3.0 counts partitions that it did not train (rows <= batch size), starts Adam anew in every epoch, turns a
partition into dense arrays twice and keeps no losses of the averaged model. The first is refused here; the losses are
computed by this project; the rest is what the baseline is.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator

import keras
import numpy as np
from elephas.spark_model import SparkModel

from recsys.config import Config
from recsys.errors import UserError
from recsys.evaluation.scoring import limit_threads
from recsys.models.losses import TRAINING
from recsys.ratings.blocks import Block
from recsys.ratings.examples import Examples
from recsys.ratings.parts import Part
from recsys.ratings.split import TRAIN

Row = tuple[np.ndarray, np.ndarray]


class ElephasStrategy:
    """Synchronous training by `elephas.SparkModel`, one local epoch a round."""

    def __init__(self, model: keras.Model, config: Config, examples: Examples, part: Part) -> None:
        check_partitions(part, config.training.batch_size)
        # Elephas compiles what it trains; the master stays free of losses that plain Keras could not load
        compiled = keras.models.model_from_json(model.to_json())
        compiled.set_weights(model.get_weights())
        loss = TRAINING[config.model.loss]
        compiled.compile(optimizer=keras.optimizers.Adam(config.training.learning_rate), loss=loss)
        custom = {config.model.loss: loss} if callable(loss) else {}
        self._spark_model = SparkModel(compiled, custom_objects=custom)
        self._model, self._config, self._examples, self._part = model, config, examples, part

    def train_epoch(self, epoch: int) -> None:
        """One pass of all workers over their partitions, then the mean of their weights into the model."""
        seed = (self._config.seed * 1_000_003 + epoch) * 1_009
        rows = self._part.blocks.mapPartitionsWithIndex(dense_rows(self._examples, seed))
        with contextlib.redirect_stdout(io.StringIO()):  # Elephas prints to the screen
            self._spark_model.fit(rows, epochs=1, batch_size=self._config.training.batch_size, verbose=0)
        self._model.set_weights(self._spark_model.master_network.get_weights())


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
        + f"set training.batch_size below {part.smallest:,}"
    )
