"""Losses of an autoencoder: rating arrays (users x movies, 0 where not rated) against its outputs.

Every loss is a mean: a sum over a weight. Training minimises the mean over a batch; the losses in history.csv are
the sums of all batches over the weights of all batches, so that no batch size or partition counts more than its part.
Those here are what Keras trains with (Elephas), and the definition that recsys.losses.sums and
recsys.losses.heads, which work on sparse arrays, are tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

LossSums = Callable[[Any, Any], tuple[Any, Any]]


def mse_sums(target: Any, output: Any) -> tuple[Any, Any]:
    """Squared error over all entries (the paper's loss): sum over users of the mean over movies; weight: users."""
    return ops.sum(ops.mean(ops.square(target - output), axis=-1)), ops.cast(ops.shape(target)[0], "float32")


def masked_mse_sums(target: Any, output: Any) -> tuple[Any, Any]:
    """Squared error over rated entries only (Sedhain et al. 2015, AutoRec, eq. 3); weight: rated entries."""
    rated = ops.cast(target > 0, output.dtype)
    return ops.sum(rated * ops.square(target - output)), ops.sum(rated)


def multinomial_sums(target: Any, output: Any) -> tuple[Any, Any]:
    """Minus log-likelihood of the rated movies under softmax(output) (Liang et al. 2018, eq. 2); weight: users."""
    rated = ops.cast(target > 0, output.dtype)
    return -ops.sum(rated * ops.log_softmax(output, axis=-1)), ops.cast(ops.shape(target)[0], "float32")


def masked_mse(target: Any, output: Any) -> Any:
    """The mean squared error over the rated entries of a batch."""
    total, weight = masked_mse_sums(target, output)
    return total / ops.maximum(weight, 1.0)


def multinomial(target: Any, output: Any) -> Any:
    """The mean over the users of a batch of minus the log-likelihood of what they rated."""
    total, weight = multinomial_sums(target, output)
    return total / weight


# what Keras is given; "mse" is its own
TRAINING: dict[str, str | Callable[[Any, Any], Any]] = {
    "mse": "mse",
    "masked_mse": masked_mse,
    "multinomial": multinomial,
}
SUMS: dict[str, LossSums] = {"mse": mse_sums, "masked_mse": masked_mse_sums, "multinomial": multinomial_sums}
