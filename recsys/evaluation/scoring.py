"""A model on the executors: its network by NumPy, its weights by broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import Broadcast, SparkContext
from scipy.sparse import csr_matrix

from recsys.config import ModelConfig
from recsys.data.blocks import Block
from recsys.data.examples import Preprocessing
from recsys.models.autoencoder.kernels.network import Network

_BATCH_VALUES = 1 << 22  # values of a dense batch: 16 MB of float32
_LINEAR = "linear"  # the name of the layer of a model's linear path


@dataclass(frozen=True)
class SharedModel:
    """A model as it is sent to the executors."""

    network: Broadcast[Network]

    def destroy(self) -> None:
        """Frees the weights on driver and executors."""
        self.network.destroy()


def share(context: SparkContext, model: Any, config: ModelConfig) -> SharedModel:
    """The Keras model as it is now, to be used within functions that run on executors."""
    return SharedModel(context.broadcast(network_of(model, config)))


def network_of(model: Any, config: ModelConfig) -> Network:
    """The Keras model's network, with its weights as they are now."""
    deep = [weight for layer in model.layers if layer.name != _LINEAR for weight in layer.get_weights()]
    linear = next((layer.get_weights()[0] for layer in model.layers if layer.name == _LINEAR), None)
    return Network.of(config, model.output_shape[-1], deep, linear)


def outputs(shared: SharedModel, rows: csr_matrix, hidden: bool = False) -> Iterator[tuple[slice, np.ndarray]]:
    """The model's outputs for scaled rating arrays, batch by batch: (rows, dense values of those rows).

    With `hidden` what goes into its last layer instead.
    """
    network = shared.network.value
    size = batch_rows(rows.shape[1])
    for start in range(0, rows.shape[0], size):
        batch = rows[start : start + size]
        yield slice(start, start + batch.shape[0]), network.hidden(batch) if hidden else network.outputs(batch)


@dataclass(frozen=True)
class ModelScores:
    """Scores of users by a model of users' rating arrays, where blocks of users are."""

    shared: SharedModel
    preprocessing: Preprocessing

    def __call__(self, block: Block, shown: csr_matrix) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, scores of those rows), batch by batch; `shown` are the raw ratings that go in."""
        yield from outputs(self.shared, self.preprocessing.scale(shown))


def batch_rows(width: int) -> int:
    """How many rating arrays of that width are dense at a time."""
    return max(1, min(512, _BATCH_VALUES // max(width, 1)))
