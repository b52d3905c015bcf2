"""The autoencoder as a function of its weights, for training on sparse batches: the same as its Keras model.

Weights travel as one flat float32 vector: encoder kernel (columns x width), its bias, the hidden layers' weights, then
the decoder, either kernel (width x columns) and bias as in Keras or, by rows, one matrix (columns x (width + 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys.config import ModelConfig


@dataclass(frozen=True)
class Layout:
    """Shapes of the weights in the order of the flat vector."""

    columns: int
    hidden: tuple[int, ...]
    by_rows: bool  # how the decoder is laid out

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """All of them."""
        shapes: list[tuple[int, ...]] = []
        for before, width in zip((self.columns, *self.hidden[:-1]), self.hidden, strict=True):
            shapes += [(before, width), (width,)]
        last = self.hidden[-1]
        return [*shapes, (self.columns, last + 1)] if self.by_rows else [*shapes, (last, self.columns), (self.columns,)]

    @property
    def size(self) -> int:
        """Numbers in the flat vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """The weights as views of the flat vector."""
        pieces, start = [], 0
        for shape in self.shapes:
            end = start + int(np.prod(shape))
            pieces.append(flat[start:end].reshape(shape))
            start = end
        return pieces

    def from_keras(self, weights: list[np.ndarray]) -> np.ndarray:
        """The flat vector of what `model.get_weights()` gives."""
        if self.by_rows:
            *weights, kernel, bias = weights
            weights = [*weights, np.concatenate([kernel.T, bias[:, None]], axis=1)]
        return np.concatenate([np.asarray(one, np.float32).ravel() for one in weights])

    def to_keras(self, flat: np.ndarray) -> list[np.ndarray]:
        """What `model.set_weights()` takes."""
        pieces = self.split(flat)
        if self.by_rows:
            *pieces, decoder = pieces
            pieces = [*pieces, np.ascontiguousarray(decoder[:, :-1].T), decoder[:, -1].copy()]
        return pieces


def hidden_layers(config: ModelConfig, z: Any, weights: list[Any], seed: Any) -> Any:
    """h (rows x last width) from z, the encoder's sums before its activation.

    `weights` are kernel and bias of each further hidden layer. Dropout is drawn from `seed` (int32, 2); without one
    there is none.
    """
    activation = keras.activations.get(config.activation)
    h = _drop(activation(z), config.dropout, seed, 0)
    for number in range(len(weights) // 2):
        kernel, bias = weights[2 * number], weights[2 * number + 1]
        h = _drop(activation(tf.nn.bias_add(tf.matmul(h, kernel), bias)), config.dropout, seed, number + 1)
    return h


def _drop(h: Any, rate: float, seed: Any, layer: int) -> Any:
    if not rate or seed is None:
        return h
    kept = tf.random.stateless_uniform(tf.shape(h), seed + tf.constant([0, layer], tf.int32)) >= rate
    return tf.where(kept, h / (1.0 - rate), 0.0)
