"""Squared error over all entries: the paper's loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import activate, exponentials_in_place
from recsys.losses.base import (
    DENSE,
    GRAMIAN,
    Gradients,
    Loss,
    LossResult,
    OutputLayer,
    Sums,
    Targets,
    Work,
    dense_outputs,
    flat_positions,
    rated_outputs,
    sum_of_squares,
    through_decoder,
    with_one,
)

if TYPE_CHECKING:
    from recsys.data.preprocessing import Preprocessing


class Mse(Loss):
    """Sum over rows of the mean over columns of (target - output)^2; the weight is the number of rows.

    An entry that is not rated counts as 0, below the lowest rating (Rodeghero, section on the network).
    """

    name = "mse"
    predicts_ratings = True
    default_activation = "softmax"

    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        flat = output.ravel()
        flat[flat_positions(target)] -= target.data
        return float(np.dot(flat, flat)) / output.shape[1], output.shape[0]

    def of(self, preprocessing: Preprocessing) -> Loss:
        """Where arrays hold the weights of counts, that of targets of 1: of families that weigh by themselves."""
        return MseOfLikes() if preprocessing.weighted else self

    def gradient(self, target: csr_matrix, output: np.ndarray) -> np.ndarray:
        output.ravel()[flat_positions(target)] -= target.data
        output *= np.float32(2.0 / max(output.size, 1))
        return output

    def keras_sums(self, target: Any, output: Any) -> tuple[Any, Any]:
        from keras import ops

        return ops.sum(ops.mean(ops.square(target - output), axis=-1)), ops.cast(ops.shape(target)[0], "float32")

    def keras_loss(self) -> Any:
        return "mse"  # Keras' own

    def layout(self, activation: str, width: int, batch_size: int, sampled_items: int) -> str:
        # multiplications a step: 4 columns width^2 by the Gramian, 6 columns width rows by the outputs
        return GRAMIAN if activation == "linear" and width < 1.5 * batch_size else DENSE

    def result(self, layer: OutputLayer, h: np.ndarray, decoder: Gradients, targets: Targets, work: Work) -> LossResult:
        if layer.layout == GRAMIAN:
            return gramian_mse(h, decoder[0], targets, work)
        kernel, bias = decoder
        if layer.activation == "softmax" and not layer.shifted:
            if layer.compiled:
                from recsys.losses import compiled  # late: it imports numba

                return compiled.softmax_mse(h, kernel, bias, targets, work)
            return softmax_mse(h, kernel, bias, targets, work)
        return dense_squared_error(layer.activation, h, kernel, bias, targets, work, rated_only=False)


class MseOfLikes(Mse):
    """The same where targets are 1, and the values of rating arrays are weights, which do not count in it."""

    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        return super().sums(
            csr_matrix((np.ones_like(target.data), target.indices, target.indptr), target.shape), output
        )


def softmax_mse(h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work) -> LossResult:
    """Squared error over all entries of softmax(h kernel + bias), mean over columns, summed over rows (the paper)."""
    output = dense_outputs(h, kernel, bias, work)
    exponentials_in_place(output)
    scales = 1.0 / output.sum(axis=1)  # what makes probabilities p of the exponentials
    places = targets.places(len(bias))
    rated = output.ravel()[places] * scales[targets.rows]
    squares = np.einsum("ij,ij->i", output, output) * np.square(scales)

    def sums() -> Sums:
        total = float(squares.sum(dtype=np.float64)) + float(np.dot(targets.values, targets.values - 2.0 * rated))
        return total / len(bias), targets.size

    def back(into: Gradients) -> np.ndarray:
        # d softmax: p (g - <g, p>), with g = 2 (p - t) / columns
        within = squares - np.bincount(targets.rows, targets.values * rated, targets.size).astype(np.float32)
        gradient = work.array("gradient", *output.shape)
        np.multiply(output, scales[:, None], out=output)
        np.subtract(output, within[:, None], out=gradient)
        gradient *= output
        gradient.ravel()[places] -= targets.values * rated
        return through_decoder(h, kernel, gradient, 2.0 / (len(bias) * max(targets.size, 1)), into)

    return LossResult(sums, back)


def gramian_mse(h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> LossResult:
    """Squared error over all entries of a linear output, without computing the outputs.

    With h' = (h, 1, offset) and the decoder's rows d' = (d, 1): sum over all entries of (h'.d')^2 is the inner product
    of the Gramians H'^T H' and D'^T D'; rated entries alone add -2 t h'.d' + t^2. `decoder` has all rows (columns x
    (width + 1)).
    """
    columns, width = decoder.shape
    inputs = np.concatenate([with_one(h), targets.offsets[:, None]], axis=1)
    outputs = work.array("outputs", columns, width + 1)
    outputs[:, :width], outputs[:, width] = decoder, 1.0
    of_inputs, of_outputs = inputs.T @ inputs, outputs.T @ outputs

    def sums() -> Sums:
        rated = rated_outputs(inputs, outputs[targets.columns], targets, work)
        total = float(np.vdot(of_inputs, of_outputs)) + float(np.dot(targets.values, targets.values - 2.0 * rated))
        return total / columns, targets.size

    def back(into: Gradients) -> np.ndarray:
        scale = np.float32(2.0 / (columns * max(targets.size, 1)))
        rated = targets.sparse(targets.values, columns)
        for_inputs = inputs @ of_outputs - rated @ outputs
        np.matmul(outputs, of_inputs[:, :width] * scale, out=into[0])
        touched = targets.sparse(targets.values * scale)
        into[0][targets.columns] -= np.asarray(touched.T @ inputs)[:, :width]
        return for_inputs[:, : width - 1] * scale

    return LossResult(sums, back)


def dense_squared_error(
    activation: str,
    h: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray,
    targets: Targets,
    work: Work,
    rated_only: bool,
) -> LossResult:
    """A squared error under any activation, all outputs and targets dense: what the other ways are faster than."""
    value, through = activate(activation, dense_outputs(h, kernel, bias, work))
    output = value + targets.offsets[:, None]
    error = output  # less the targets
    error.ravel()[targets.places(len(bias))] -= targets.values
    scale = 1.0 / len(bias)
    weight = targets.size
    if rated_only:
        rated = np.zeros(error.shape, np.float32)
        rated.ravel()[targets.places(len(bias))] = 1.0
        error *= rated
        scale, weight = 1.0, len(targets.values)

    def back(into: Gradients) -> np.ndarray:
        return through_decoder(h, kernel, through(error), 2.0 * scale / max(weight, 1), into)

    return LossResult(lambda: (scale * sum_of_squares(error), weight), back)
