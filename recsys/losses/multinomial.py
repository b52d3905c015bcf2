"""The multinomial log-likelihood: ranks likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import exponentials_in_place
from recsys.losses.base import (
    DENSE,
    ROWS,
    Gradients,
    Loss,
    LossResult,
    OutputBlock,
    OutputLayer,
    Sums,
    Targets,
    Work,
    dense_outputs,
    flat_positions,
    noting,
    rated_outputs,
    through_decoder,
    with_one,
)
from recsys.losses.log_sums import log_sums

_COLUMNS_AT_A_TIME = 4096


class Multinomial(Loss):
    """Minus log-likelihood of the rated movies under softmax(output), summed over rows (Liang et al. 2018, eq. 2).

    The weight is the number of rows. Ratings count alike, whatever they are; weighted, each counts as its value.
    """

    name = "multinomial"
    predicts_ratings = False
    activations = ("linear",)  # the softmax is in the loss
    samples_items = True
    uses_weights = True
    in_blocks = True
    by_value: ClassVar[bool] = False  # whether a rated movie's term is multiplied by its value

    def weighted(self) -> Loss:
        return WeightedMultinomial()

    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        rated = output.ravel()[flat_positions(target)]
        counts = np.diff(target.indptr)
        if self.by_value:
            rated, counts = rated * target.data, _row_totals(target)
        highest = exponentials_in_place(output)
        normalisers = np.log(output.sum(axis=1)) + highest[:, 0]
        total = float(np.dot(counts, normalisers)) - float(rated.sum(dtype=np.float64))
        return total, output.shape[0]

    def sums_in_blocks(self, target: csr_matrix, outputs: Iterable[OutputBlock], compiled: bool) -> Sums:
        normalisers, rated = log_sums(target.shape[0], compiled), np.empty(target.nnz, np.float32)
        for _, output in noting(outputs, target, rated):
            normalisers.add(output)
        counts = np.diff(target.indptr)
        if self.by_value:
            rated, counts = rated * target.data, _row_totals(target)
        total = float(np.dot(counts, normalisers.result())) - float(rated.sum(dtype=np.float64))
        return total, target.shape[0]

    def gradient(self, target: csr_matrix, output: np.ndarray) -> np.ndarray:
        counts = _row_totals(target) if self.by_value else np.diff(target.indptr)
        exponentials_in_place(output)
        output *= (counts.astype(np.float32) / output.sum(axis=1))[:, None]
        output.ravel()[flat_positions(target)] -= target.data if self.by_value else np.float32(1.0)
        output *= np.float32(1.0 / max(len(output), 1))
        return output

    def keras_sums(self, target: Any, output: Any) -> tuple[Any, Any]:
        from keras import ops

        rated = ops.cast(target if self.by_value else target > 0, output.dtype)
        return -ops.sum(rated * ops.log_softmax(output, axis=-1)), ops.cast(ops.shape(target)[0], "float32")

    def layout(self, activation: str, width: int, batch_size: int, sampled_items: int) -> str:
        return ROWS if sampled_items else DENSE

    def result(self, layer: OutputLayer, h: np.ndarray, decoder: Gradients, targets: Targets, work: Work) -> LossResult:
        # what is added to all outputs of a row is nothing to a softmax
        sampled, whole = sampled_multinomial, multinomial
        if layer.compiled:
            from recsys.losses import compiled  # late: it imports numba

            sampled, whole = compiled.sampled_multinomial, compiled.multinomial
        if layer.layout == ROWS:
            return sampled(h, decoder[0], targets, work, self.by_value)
        kernel, bias = decoder
        return whole(h, kernel, bias, targets, work, self.by_value)

    def exact_sums(self, layer: OutputLayer, h: np.ndarray, decoder: Gradients, targets: Targets, work: Work) -> Sums:
        if layer.layout == ROWS:
            return multinomial_sums(h, decoder[0], targets, work, self.by_value, layer.compiled)
        return self.result(layer, h, decoder, targets, work).sums()


class WeightedMultinomial(Multinomial):
    """The multinomial loss of counts that weigh: the term of a rated movie times the target's value."""

    by_value = True


def multinomial(
    h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work, by_value: bool = False
) -> LossResult:
    """Minus log-likelihood of what was rated under softmax(h kernel + bias) (Liang et al. 2018, eq. 2), exact.

    `by_value` multiplies the term of a rated movie by the target's value.
    """
    logits = dense_outputs(h, kernel, bias, work)
    places = targets.places(len(bias))
    sums, wrong = _log_likelihood(logits, places, targets, by_value)

    def back(into: Gradients) -> np.ndarray:
        return through_decoder(h, kernel, wrong(), 1.0 / max(targets.size, 1), into)

    return LossResult(sums, back)


def sampled_multinomial(
    h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work, by_value: bool = False
) -> LossResult:
    """The multinomial loss with the softmax' sum over the batch's columns and a sample of the others.

    A sampled column stands for (columns not in the batch) / (columns sampled) of them (Jean et al. 2015, section 3,
    with a uniform proposal); `decoder` has the rows of targets.columns alone, sampled ones among them.
    """
    ones = with_one(h)
    logits = np.matmul(ones, decoder.T, out=work.array("outputs", len(h), len(decoder)))
    logits += targets.log_weights  # 0 where something is rated
    places = targets.rows.astype(np.int64) * len(decoder) + targets.slots
    sums, wrong = _log_likelihood(logits, places, targets, by_value)

    def back(into: Gradients) -> np.ndarray:
        gradient, scale = wrong(), np.float32(1.0 / max(targets.size, 1))
        np.matmul(gradient.T, ones * scale, out=into[0])
        return (gradient @ decoder[:, :-1]) * scale

    return LossResult(sums, back)


def multinomial_sums(
    h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work, by_value: bool = False, compiled: bool = False
) -> Sums:
    """The exact multinomial loss of a large catalogue, a block of its columns at a time; `decoder` has all rows."""
    ones, sums = with_one(h), log_sums(len(h), compiled)
    for start in range(0, len(decoder), _COLUMNS_AT_A_TIME):
        part = decoder[start : start + _COLUMNS_AT_A_TIME]
        sums.add(np.matmul(ones, part.T, out=work.array("outputs", len(h), len(part))))
    if compiled:
        from recsys.losses import compiled as by_kernels  # late: it imports numba

        rated = by_kernels.rated_outputs(h, decoder, targets)
    else:
        rated = rated_outputs(ones, decoder[targets.columns], targets, work)
    if by_value:
        rated = rated * targets.values
    counts = targets.totals() if by_value else targets.counts()
    return float(np.dot(counts, sums.result())) - float(rated.sum(dtype=np.float64)), targets.size


def _row_totals(target: csr_matrix) -> np.ndarray:
    """float64 (rows): the sum of each row's values."""
    rows = np.repeat(np.arange(target.shape[0]), np.diff(target.indptr))
    return np.bincount(rows, target.data, target.shape[0])


def _log_likelihood(
    logits: np.ndarray, places: np.ndarray, targets: Targets, by_value: bool
) -> tuple[Callable[[], Sums], Callable[[], np.ndarray]]:
    """Minus the log-likelihood's sums, and its gradient of the logits, which are written over."""
    counts, rated = targets.counts(), logits.ravel()[places]
    if by_value:
        counts, rated = targets.totals(), rated * targets.values
    highest = exponentials_in_place(logits)
    totals = logits.sum(axis=1)

    def sums() -> Sums:
        normaliser = np.log(totals) + highest[:, 0]
        return float(np.dot(counts, normaliser)) - float(rated.sum(dtype=np.float64)), targets.size

    def wrong() -> np.ndarray:
        logits[...] *= (counts / totals)[:, None]
        logits.ravel()[places] -= targets.values if by_value else np.float32(1.0)
        return logits

    return sums, wrong
