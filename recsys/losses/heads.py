"""The end of the network and its loss, each at the cost that it needs, for training.

h (rows x width) is the last hidden layer. A dense decoder is a kernel (width x columns) with a bias, as in Keras; a
decoder by rows is one matrix (columns x (width + 1)), whose last column is the bias, so that the outputs of a few
columns need nothing of the others. Each is tested against Keras on dense arrays, values and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import activate, exponentials_in_place

Sums = tuple[float, float]
Arrays = list[np.ndarray]
_COLUMNS_AT_A_TIME = 4096
_SPARSE = 16  # times fewer entries than outputs: then each entry's output is computed by itself


@dataclass(frozen=True)
class Targets:
    """What a batch is held against; see recsys.models.autoencoder.kernels.batches."""

    size: int  # rows
    rows: np.ndarray  # int32 (entries), ascending
    starts: np.ndarray  # int32 (rows + 1): where the entries of each row begin
    slots: np.ndarray  # int32 (entries): a column's place in `columns`
    values: np.ndarray  # float32 (entries)
    columns: np.ndarray  # int32 (distinct columns)
    offsets: np.ndarray  # float32 (rows): added to the outputs
    log_weights: np.ndarray  # float32 (distinct columns): of each in the softmax' sum, 0 but for sampled ones

    def places(self, width: int) -> np.ndarray:
        """int64 (entries): where each entry stands in a dense (rows x width) array laid out flat."""
        return self.rows.astype(np.int64) * width + self.columns[self.slots]

    def counts(self) -> np.ndarray:
        """float32 (rows): entries of each row."""
        return np.diff(self.starts).astype(np.float32)

    def sparse(self, values: np.ndarray, columns: int | None = None) -> csr_matrix:
        """These values at the entries: (rows x distinct columns), or with all `columns`."""
        indices = self.slots if columns is None else self.columns[self.slots]
        return csr_matrix(
            (values, indices, self.starts), shape=(self.size, len(self.columns) if columns is None else columns)
        )


class Work:
    """Arrays of the outputs' size, used again from batch to batch: memory that was just freed costs page faults."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, *shape: int) -> np.ndarray:
        """A float32 array of that shape, whatever it holds; of the same name it is the same memory."""
        size = int(np.prod(shape))
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.float32)
        return self._kept[name][:size].reshape(shape)


@dataclass(frozen=True)
class End:
    """A loss of a batch. Call one of the two, once: they write to the same memory."""

    sums: Callable[[], Sums]  # (sum, weight); the loss is their quotient
    back: Callable[[Arrays], np.ndarray]  # the loss' gradient of h; that of the decoder is written into the arrays


def softmax_mse(h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work) -> End:
    """Squared error over all entries of softmax(h kernel + bias), mean over columns, summed over rows (the paper)."""
    output = _dense_outputs(h, kernel, bias, work)
    exponentials_in_place(output)
    shares = 1.0 / output.sum(axis=1)  # what makes probabilities p of the exponentials
    places = targets.places(len(bias))
    rated = output.ravel()[places] * shares[targets.rows]
    squares = np.einsum("ij,ij->i", output, output) * np.square(shares)

    def sums() -> Sums:
        total = float(squares.sum(dtype=np.float64)) + float(np.dot(targets.values, targets.values - 2.0 * rated))
        return total / len(bias), targets.size

    def back(into: Arrays) -> np.ndarray:
        # d softmax: p (g - <g, p>), with g = 2 (p - t) / columns
        within = squares - np.bincount(targets.rows, targets.values * rated, targets.size).astype(np.float32)
        gradient = work.array("gradient", *output.shape)
        np.multiply(output, shares[:, None], out=output)
        np.subtract(output, within[:, None], out=gradient)
        gradient *= output
        gradient.ravel()[places] -= targets.values * rated
        return _through_decoder(h, kernel, gradient, 2.0 / (len(bias) * max(targets.size, 1)), into)

    return End(sums, back)


def multinomial(h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work) -> End:
    """Minus log-likelihood of what was rated under softmax(h kernel + bias) (Liang et al. 2018, eq. 2), exact."""
    logits = _dense_outputs(h, kernel, bias, work)
    places = targets.places(len(bias))
    sums, wrong = _log_likelihood(logits, places, targets)

    def back(into: Arrays) -> np.ndarray:
        return _through_decoder(h, kernel, wrong(), 1.0 / max(targets.size, 1), into)

    return End(sums, back)


def dense(
    loss: str, activation: str, h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, targets: Targets, work: Work
) -> End:
    """A squared error under any activation, all outputs and targets dense: what the others are faster than."""
    value, through = activate(activation, _dense_outputs(h, kernel, bias, work))
    output = value + targets.offsets[:, None]
    error = output  # less the targets
    error.ravel()[targets.places(len(bias))] -= targets.values
    scale = 1.0 / len(bias)
    weight = targets.size
    if loss == "masked_mse":
        rated = np.zeros(error.shape, np.float32)
        rated.ravel()[targets.places(len(bias))] = 1.0
        error *= rated
        scale, weight = 1.0, len(targets.values)

    def back(into: Arrays) -> np.ndarray:
        return _through_decoder(h, kernel, through(error), 2.0 * scale / max(weight, 1), into)

    return End(lambda: (scale * _squares(error), weight), back)


def masked_mse(activation: str, h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> End:
    """Squared error over rated entries (Sedhain et al. 2015, eq. 3); `decoder` has only the rows of targets.columns."""
    ones = _with_one(h)
    logits = _rated_outputs(ones, decoder, targets, work)
    value, through = activate(activation, logits[:, None])
    error = value[:, 0] + targets.offsets[targets.rows] - targets.values

    def back(into: Arrays) -> np.ndarray:
        scale = np.float32(2.0 / max(len(error), 1))
        wrong = targets.sparse(through(error[:, None])[:, 0] * scale)
        into[0][...] = wrong.T @ ones
        return np.asarray(wrong @ decoder)[:, :-1]

    return End(lambda: (_squares(error), len(error)), back)


def sampled_multinomial(h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> End:
    """The multinomial loss with the softmax' sum over the batch's columns and a sample of the others.

    A sampled column stands for (columns not in the batch) / (columns sampled) of them (Jean et al. 2015, section 3,
    with a uniform proposal); `decoder` has the rows of targets.columns alone, sampled ones among them.
    """
    ones = _with_one(h)
    logits = np.matmul(ones, decoder.T, out=work.array("outputs", len(h), len(decoder)))
    logits += targets.log_weights  # 0 where something is rated
    places = targets.rows.astype(np.int64) * len(decoder) + targets.slots
    sums, wrong = _log_likelihood(logits, places, targets)

    def back(into: Arrays) -> np.ndarray:
        gradient, scale = wrong(), np.float32(1.0 / max(targets.size, 1))
        np.matmul(gradient.T, ones * scale, out=into[0])
        return (gradient @ decoder[:, :-1]) * scale

    return End(sums, back)


def multinomial_sums(h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> Sums:
    """The exact multinomial loss of a large catalogue, a block of its columns at a time; `decoder` has all rows."""
    ones = _with_one(h)
    highest, total = np.full(len(h), -np.inf, np.float32), np.zeros(len(h), np.float32)
    for start in range(0, len(decoder), _COLUMNS_AT_A_TIME):
        part = decoder[start : start + _COLUMNS_AT_A_TIME]
        logits = np.matmul(ones, part.T, out=work.array("outputs", len(h), len(part)))
        higher = np.maximum(highest, logits.max(axis=1))
        logits -= higher[:, None]
        total *= np.exp(highest - higher)
        total += np.exp(logits, out=logits).sum(axis=1)
        highest = higher
    rated = _rated_outputs(ones, decoder[targets.columns], targets, work)
    normaliser = np.log(total) + highest
    return float(np.dot(targets.counts(), normaliser)) - float(rated.sum(dtype=np.float64)), targets.size


def gramian_mse(h: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> End:
    """Squared error over all entries of a linear output, without computing the outputs.

    With h' = (h, 1, offset) and the decoder's rows d' = (d, 1): sum over all entries of (h'.d')^2 is the inner product
    of the Gramians H'^T H' and D'^T D'; rated entries alone add -2 t h'.d' + t^2. `decoder` has all rows (columns x
    (width + 1)).
    """
    columns, width = decoder.shape
    inputs = np.concatenate([_with_one(h), targets.offsets[:, None]], axis=1)
    outputs = work.array("outputs", columns, width + 1)
    outputs[:, :width], outputs[:, width] = decoder, 1.0
    of_inputs, of_outputs = inputs.T @ inputs, outputs.T @ outputs

    def sums() -> Sums:
        rated = _rated_outputs(inputs, outputs[targets.columns], targets, work)
        total = float(np.vdot(of_inputs, of_outputs)) + float(np.dot(targets.values, targets.values - 2.0 * rated))
        return total / columns, targets.size

    def back(into: Arrays) -> np.ndarray:
        scale = np.float32(2.0 / (columns * max(targets.size, 1)))
        rated = targets.sparse(targets.values, columns)
        for_inputs = inputs @ of_outputs - rated @ outputs
        np.matmul(outputs, of_inputs[:, :width] * scale, out=into[0])
        touched = targets.sparse(targets.values * scale)
        into[0][targets.columns] -= np.asarray(touched.T @ inputs)[:, :width]
        return for_inputs[:, : width - 1] * scale

    return End(sums, back)


def _dense_outputs(h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, work: Work) -> np.ndarray:
    output = np.matmul(h, kernel, out=work.array("outputs", len(h), len(bias)))
    output += bias
    return output


def _through_decoder(h: np.ndarray, kernel: np.ndarray, gradient: np.ndarray, scale: float, into: Arrays) -> np.ndarray:
    """From the gradient of the outputs, to be scaled, to that of h; the decoder's is written down."""
    factor = np.float32(scale)
    np.matmul((h * factor).T, gradient, out=into[0])
    np.sum(gradient, axis=0, out=into[1])
    into[1] *= factor
    return (gradient @ kernel.T) * factor


def _log_likelihood(
    logits: np.ndarray, places: np.ndarray, targets: Targets
) -> tuple[Callable[[], Sums], Callable[[], np.ndarray]]:
    """Minus the log-likelihood's sums, and its gradient of the logits, which are written over."""
    counts, rated = targets.counts(), logits.ravel()[places]
    highest = exponentials_in_place(logits)
    totals = logits.sum(axis=1)

    def sums() -> Sums:
        normaliser = np.log(totals) + highest[:, 0]
        return float(np.dot(counts, normaliser)) - float(rated.sum(dtype=np.float64)), targets.size

    def wrong() -> np.ndarray:
        logits[...] *= (counts / totals)[:, None]
        logits.ravel()[places] -= 1.0
        return logits

    return sums, wrong


def _rated_outputs(inputs: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> np.ndarray:
    """float32 (entries): the products of each entry's row of inputs and row of the decoder (distinct columns)."""
    if len(targets.values) * _SPARSE < targets.size * len(decoder):
        return np.einsum("ij,ij->i", inputs[targets.rows], decoder[targets.slots])
    outputs = np.matmul(inputs, decoder.T, out=work.array("rated", targets.size, len(decoder)))
    chosen: np.ndarray = outputs.ravel()[targets.rows.astype(np.int64) * len(decoder) + targets.slots]
    return chosen


def _squares(values: np.ndarray) -> float:
    flat = values.ravel()
    return float(np.dot(flat, flat))


def _with_one(h: np.ndarray) -> Any:
    return np.concatenate([h, np.ones((len(h), 1), np.float32)], axis=1)
