"""The losses of a batch by kernels: the same as their NumPy forms, which they are tested against, in fewer passes."""

from __future__ import annotations

import numpy as np

from recsys.losses import kernels
from recsys.losses import log_sums as by_numpy
from recsys.losses.base import Gradients, LossResult, Sums, Targets, Work, through_decoder, with_one


class LogSums(by_numpy.LogSums):
    """The same; logits stay as they are."""

    def add(self, logits: np.ndarray) -> None:
        kernels.add_exponentials(np.ascontiguousarray(logits), self.highest, self.totals)


def softmax_mse(h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work) -> LossResult:
    """As recsys.losses.mse.softmax_mse."""
    z = np.matmul(h, kernel, out=work.array("outputs", len(h), len(bias)))
    entries = targets.starts, targets.columns[targets.slots], targets.values

    def sums() -> Sums:
        return kernels.softmax_squares(z, bias, *entries) / len(bias), targets.size

    def back(into: Gradients) -> np.ndarray:
        kept = work.array("kept", max(1, int(np.diff(targets.starts).max(initial=0))))
        kernels.softmax_squares_gradient(z, bias, *entries, into[1], kept)
        return through_decoder(h, kernel, z, 2.0 / (len(bias) * max(targets.size, 1)), into, summed=True)

    return LossResult(sums, back)


def multinomial(
    h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work, by_value: bool = False
) -> LossResult:
    """As recsys.losses.multinomial.multinomial."""
    z = np.matmul(h, kernel, out=work.array("outputs", len(h), len(bias)))
    entries = targets.starts, targets.columns[targets.slots], targets.values

    def sums() -> Sums:
        return kernels.log_likelihood(z, bias, *entries, by_value), targets.size

    def back(into: Gradients) -> np.ndarray:
        kernels.log_likelihood_gradient(z, bias, *entries, by_value, into[1])
        return through_decoder(h, kernel, z, 1.0 / max(targets.size, 1), into, summed=True)

    return LossResult(sums, back)


def sampled_multinomial(
    h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work, by_value: bool = False
) -> LossResult:
    """As recsys.losses.multinomial.sampled_multinomial."""
    ones = with_one(h)
    z = np.matmul(ones, decoder.T, out=work.array("outputs", len(h), len(decoder)))
    entries = targets.starts, targets.slots, targets.values
    added = targets.log_weights if len(targets.log_weights) else np.zeros(len(decoder), np.float32)

    def sums() -> Sums:
        return kernels.log_likelihood(z, added, *entries, by_value), targets.size

    def back(into: Gradients) -> np.ndarray:
        scale = np.float32(1.0 / max(targets.size, 1))
        kernels.log_likelihood_gradient(z, added, *entries, by_value, work.array("of_columns", len(decoder)))
        np.matmul(z.T, ones * scale, out=into[0])
        of_h: np.ndarray = (z @ decoder[:, :-1]) * scale
        return of_h

    return LossResult(sums, back)


def rated_outputs(h: np.ndarray, decoder: np.ndarray, targets: Targets) -> np.ndarray:
    """float32 (entries): the output of each, by the decoder's rows of all columns."""
    none, outputs = np.zeros(max(len(targets.values), targets.size), np.float32), np.empty_like(targets.values)
    kernels.rated_errors(h, decoder, targets.starts, targets.columns[targets.slots], none, none, outputs)
    return outputs


def masked_mse(h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> LossResult:
    """As recsys.losses.masked_mse.masked_mse of a linear output layer."""
    errors = work.array("errors", len(targets.values))
    total = kernels.rated_errors(h, decoder, targets.starts, targets.slots, targets.values, targets.offsets, errors)

    def back(into: Gradients) -> np.ndarray:
        scale, of_h = np.float32(2.0 / max(len(errors), 1)), np.empty_like(h)
        kernels.rated_gradients(h, decoder, targets.starts, targets.slots, errors, scale, into[0], of_h)
        return of_h

    return LossResult(lambda: (total, len(errors)), back)
