"""The end of the network and its loss, each at the cost that it needs: sums as in recsys.models.losses, for training.

h (rows x width) is the last hidden layer. A dense decoder is a kernel (width x columns) with a bias, as in Keras; a
decoder by rows is one matrix (columns x (width + 1)), whose last column is the bias, so that the outputs of a few
columns need nothing of the others. Every function gives (sum, weight); the loss is their quotient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from recsys.models.losses import SUMS

Sums = tuple[Any, Any]


@dataclass(frozen=True)
class Targets:
    """What a batch is held against, as tensors; see recsys.training.batches."""

    size: Any  # int32: rows
    rows: Any  # int32 (entries)
    slots: Any  # int32 (entries): a column's place in `columns`
    values: Any  # float32 (entries)
    columns: Any  # int32 (distinct columns)
    offsets: Any  # float32 (rows): added to the outputs
    log_weights: Any  # float32 (distinct columns): of each in the softmax' sum, 0 but for sampled ones

    def places(self, columns: bool = True) -> Any:
        """int32 (entries, 2): row and column of each entry, or row and slot."""
        return tf.stack([self.rows, tf.gather(self.columns, self.slots) if columns else self.slots], axis=1)

    def counts(self) -> Any:
        """float32 (rows): entries of each row."""
        return tf.math.unsorted_segment_sum(tf.ones_like(self.values), self.rows, self.size)


def softmax_mse(h: Any, kernel: Any, bias: Any, targets: Targets) -> Sums:
    """Squared error over all entries of softmax(h kernel + bias), mean over columns, summed over rows (the paper)."""
    width = tf.shape(bias)[0]
    places = targets.places()

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def total(h: Any, kernel: Any, bias: Any) -> Any:
        output = tf.nn.softmax(tf.nn.bias_add(tf.matmul(h, kernel), bias))
        error = tf.tensor_scatter_nd_sub(output, places, targets.values)
        scale = 2.0 / tf.cast(width, tf.float32)

        def gradients(upstream: Any) -> tuple[Any, Any, Any]:
            # d softmax: p (g - <g, p>), with g = 2 error / columns
            inner = tf.reduce_sum(error * output, axis=1, keepdims=True)
            logits = (error - inner) * output * (scale * upstream)
            return (
                tf.matmul(logits, kernel, transpose_b=True),
                tf.matmul(h, logits, transpose_a=True),
                tf.reduce_sum(logits, axis=0),
            )

        return tf.nn.l2_loss(error) * scale, gradients

    return total(h, kernel, bias), tf.cast(targets.size, tf.float32)


def multinomial(h: Any, kernel: Any, bias: Any, targets: Targets) -> Sums:
    """Minus log-likelihood of what was rated under softmax(h kernel + bias) (Liang et al. 2018, eq. 2), exact."""
    places, counts = targets.places(), targets.counts()

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def total(h: Any, kernel: Any, bias: Any) -> Any:
        logits = tf.nn.bias_add(tf.matmul(h, kernel), bias)
        normaliser = tf.reduce_logsumexp(logits, axis=1, keepdims=True)
        value = tf.reduce_sum(counts * normaliser[:, 0]) - tf.reduce_sum(tf.gather_nd(logits, places))

        def gradients(upstream: Any) -> tuple[Any, Any, Any]:
            wrong = tf.exp(logits - normaliser) * (counts[:, None] * upstream)
            wrong = tf.tensor_scatter_nd_sub(wrong, places, tf.ones_like(targets.values) * upstream)
            return (
                tf.matmul(wrong, kernel, transpose_b=True),
                tf.matmul(h, wrong, transpose_a=True),
                tf.reduce_sum(wrong, axis=0),
            )

        return value, gradients

    return total(h, kernel, bias), tf.cast(targets.size, tf.float32)


def dense(loss: str, activation: str, h: Any, kernel: Any, bias: Any, targets: Targets) -> Sums:
    """Any loss under any activation, all outputs and targets dense: what the others are faster than."""
    output = keras.activations.get(activation)(tf.nn.bias_add(tf.matmul(h, kernel), bias)) + targets.offsets[:, None]
    target = tf.scatter_nd(targets.places(), targets.values, tf.stack([targets.size, tf.shape(bias)[0]]))
    return SUMS[loss](target, output)


def masked_mse(activation: str, h: Any, decoder: Any, targets: Targets) -> Sums:
    """Squared error over rated entries (Sedhain et al. 2015, eq. 3); `decoder` has only the rows of targets.columns."""
    logits = tf.gather_nd(_logits(h, decoder), targets.places(columns=False))
    output = keras.activations.get(activation)(logits) + tf.gather(targets.offsets, targets.rows)
    return tf.reduce_sum(tf.square(targets.values - output)), tf.cast(tf.shape(targets.values)[0], tf.float32)


def sampled_multinomial(h: Any, decoder: Any, targets: Targets) -> Sums:
    """The multinomial loss with the softmax' sum over the batch's columns and a sample of the others.

    A sampled column stands for (columns not in the batch) / (columns sampled) of them (Jean et al. 2015, section 3,
    with a uniform proposal); `decoder` has the rows of targets.columns alone, sampled ones among them.
    """
    logits = _logits(h, decoder)
    normaliser = tf.reduce_logsumexp(logits + targets.log_weights, axis=1)
    rated = tf.gather_nd(logits, targets.places(columns=False))
    total = tf.reduce_sum(targets.counts() * normaliser) - tf.reduce_sum(rated)
    return total, tf.cast(targets.size, tf.float32)


def gramian_mse(h: Any, decoder: Any, touched: Any, targets: Targets) -> Sums:
    """Squared error over all entries of a linear output, without computing the outputs.

    With h' = (h, 1, offset) and the decoder's rows d' = (d, 1): sum over all entries of (h'.d')^2 is the inner product
    of the Gramians H'^T H' and D'^T D'; rated entries alone add -2 t h'.d' + t^2. `decoder` has all rows (columns x
    (width + 1)), `touched` those of targets.columns.
    """
    columns = tf.shape(decoder)[0]
    inputs = tf.concat([_with_one(h), targets.offsets[:, None]], axis=1)
    outputs = tf.concat([decoder, tf.ones([columns, 1])], axis=1)
    everything = tf.reduce_sum(
        tf.matmul(inputs, inputs, transpose_a=True) * tf.matmul(outputs, outputs, transpose_a=True)
    )
    rated = tf.gather_nd(_logits(h, touched), targets.places(columns=False)) + tf.gather(targets.offsets, targets.rows)
    total = everything + tf.reduce_sum(targets.values * (targets.values - 2.0 * rated))
    return total / tf.cast(columns, tf.float32), tf.cast(targets.size, tf.float32)


def _logits(h: Any, decoder: Any) -> Any:
    return tf.matmul(_with_one(h), decoder, transpose_b=True)


def _with_one(h: Any) -> Any:
    return tf.concat([h, tf.ones([tf.shape(h)[0], 1])], axis=1)
