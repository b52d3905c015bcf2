"""Squared error over rated entries: predicts ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import activate
from recsys.losses.base import (
    DENSE,
    ROWS,
    Gradients,
    Loss,
    LossResult,
    OutputLayer,
    Sums,
    Targets,
    Work,
    flat_positions,
    rated_outputs,
    sum_of_squares,
    with_one,
)
from recsys.losses.mse import dense_squared_error


class MaskedMse(Loss):
    """Sum over rated entries of (target - output)^2 (Sedhain et al. 2015, AutoRec, eq. 3); the weight counts them."""

    name = "masked_mse"
    predicts_ratings = True
    orientations = ("user", "movie")
    learns_likes = False

    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        rated = output.ravel()[flat_positions(target)]
        return float(np.square(target.data - rated, dtype=np.float64).sum()), len(rated)

    def gradient(self, target: csr_matrix, output: np.ndarray) -> np.ndarray:
        slope, positions = np.zeros_like(output), flat_positions(target)
        error = output.ravel()[positions] - target.data
        slope.ravel()[positions] = error * np.float32(2.0 / max(len(error), 1))
        return slope

    def keras_sums(self, target: Any, output: Any) -> tuple[Any, Any]:
        from keras import ops

        rated = ops.cast(target > 0, output.dtype)
        return ops.sum(rated * ops.square(target - output)), ops.sum(rated)

    def keras_loss(self) -> Any:
        def masked_mse(target: Any, output: Any) -> Any:
            from keras import ops

            total, weight = self.keras_sums(target, output)
            return total / ops.maximum(weight, 1.0)

        return masked_mse

    def layout(self, activation: str, width: int, batch_size: int, sampled_items: int) -> str:
        return DENSE if activation == "softmax" else ROWS

    def result(self, layer: OutputLayer, h: np.ndarray, decoder: Gradients, targets: Targets, work: Work) -> LossResult:
        if layer.layout == ROWS:
            if layer.compiled and layer.activation == "linear":
                from recsys.losses import compiled  # late: it imports numba

                return compiled.masked_mse(h, decoder[0], targets, work)
            return masked_mse(layer.activation, h, decoder[0], targets, work)
        kernel, bias = decoder
        return dense_squared_error(layer.activation, h, kernel, bias, targets, work, rated_only=True)


def masked_mse(activation: str, h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> LossResult:
    """Squared error over rated entries (Sedhain et al. 2015, eq. 3); `decoder` has only the rows of targets.columns."""
    ones = with_one(h)
    logits = rated_outputs(ones, decoder, targets, work)
    value, through = activate(activation, logits[:, None])
    error = value[:, 0] + targets.offsets[targets.rows] - targets.values

    def back(into: Gradients) -> np.ndarray:
        scale = np.float32(2.0 / max(len(error), 1))
        wrong = targets.sparse(through(error[:, None])[:, 0] * scale)
        into[0][...] = wrong.T @ ones
        return np.asarray(wrong @ decoder)[:, :-1]

    return LossResult(lambda: (sum_of_squares(error), len(error)), back)
