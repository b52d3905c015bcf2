"""The autoencoders as functions of their weights, for training on sparse batches: the same as their Keras models.

Weights travel as one flat float32 vector: encoder kernel (columns x width), its bias, the inner layers' weights in the
order of the Keras model, then the decoder, either kernel (width x columns) and bias as in Keras or, by rows, one matrix
(columns x (width + 1)).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys.config import ModelConfig
from recsys.models.variational import divergence

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Shapes of the weights in the order of the flat vector."""

    columns: int
    model: ModelConfig
    by_rows: bool  # how the decoder is laid out

    @property
    def shapes(self) -> Shapes:
        """All of them."""
        hidden = self.model.hidden
        encoder: Shapes = [(self.columns, hidden[0]), (hidden[0],)]
        inner, last = _dense(hidden), hidden[-1]
        if self.model.kind == "vae":
            latent = self.model.latent
            inner += 2 * [(last, latent), (latent,)] + _dense((latent, *reversed(hidden)))
            last = hidden[0]
        decoder: Shapes = [(self.columns, last + 1)] if self.by_rows else [(last, self.columns), (self.columns,)]
        return encoder + inner + decoder

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
        """The flat vector of what `model.get_weights()` gives, of a model without a linear path."""
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


def _dense(widths: tuple[int, ...]) -> Shapes:
    """Kernel and bias of the layers between these widths."""
    shapes: Shapes = []
    for before, width in itertools.pairwise(widths):
        shapes += [(before, width), (width,)]
    return shapes


def inner_layers(config: ModelConfig, z: Any, weights: list[Any], seed: Any) -> tuple[Any, Any]:
    """(h, extra loss): the decoder's input (rows x width) from z, the encoder's sums before its activation.

    `weights` are the inner layers' kernels and biases. Dropout and the places of a variational model are drawn from
    `seed` (int32, 2); without one there is no dropout, and places are their means. The extra loss, a scalar, is the
    rows' mean divergence from the prior, not weighted; 0 where the model is not variational.
    """
    activation = keras.activations.get(config.activation)
    layers = [(weights[number], weights[number + 1]) for number in range(0, len(weights), 2)]
    h = _drop(activation(z), config.dropout, seed, 0)
    before = len(config.hidden) - 1
    h = _through(h, layers[:before], activation, config.dropout, seed, 1)
    if config.kind != "vae":
        return h, 0.0
    mean, log_variance = (tf.nn.bias_add(tf.matmul(h, kernel), bias) for kernel, bias in layers[before : before + 2])
    place = mean
    if seed is not None:
        noise = tf.random.stateless_normal(tf.shape(mean), seed + tf.constant([1, 0], tf.int32))
        place += tf.exp(0.5 * log_variance) * noise
    h = _through(place, layers[before + 2 :], activation, config.dropout, seed, before + 1)
    return h, tf.reduce_mean(divergence(mean, log_variance))


def _through(h: Any, layers: list[Any], activation: Any, dropout: float, seed: Any, number: int) -> Any:
    """h through dense layers, each with its dropout."""
    for place, (kernel, bias) in enumerate(layers):
        h = _drop(activation(tf.nn.bias_add(tf.matmul(h, kernel), bias)), dropout, seed, number + place)
    return h


def _drop(h: Any, rate: float, seed: Any, layer: int) -> Any:
    if not rate or seed is None:
        return h
    kept = tf.random.stateless_uniform(tf.shape(h), seed + tf.constant([0, layer], tf.int32)) >= rate
    return tf.where(kept, h / (1.0 - rate), 0.0)
