"""Adam and the input layer, compiled: what `numpy_steps` does, in one pass over memory each.

Arrays in common:
    value, m, v: float32 (rows, width): weights and Adam's moments.
    last, owed: float32 (rows): see recsys.models.autoencoder.kernels.adam.
    rows: int32: distinct rows that a batch touches.
    starts, slots, values: a batch's entries; `slots` are places in `rows`.
"""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math

import numpy as np

from recsys.compiled import vector_kernel, vector_piece
from recsys.exponential import exp32
from recsys.models.autoencoder.kernels import adam as by_numpy
from recsys.models.autoencoder.kernels.batches import Entries

_B1, _B2, _EPSILON = np.float32(by_numpy.BETA1), np.float32(by_numpy.BETA2), by_numpy.ADDED
_LOG_B1, _LOG_B2 = math.log(by_numpy.BETA1), math.log(by_numpy.BETA2)
_RATIO = np.float32(by_numpy.RATIO)
_ZERO = np.float32(0)


def adam(value: np.ndarray, m: np.ndarray, v: np.ndarray, gradient: np.ndarray, alpha: np.float32) -> None:
    """One step of vectors."""
    _adam(value, m, v, gradient, alpha)


class RowAdam(by_numpy.RowAdam):
    """The same, in place."""

    def settle(self, step: int) -> None:
        rows = np.arange(len(self.value), dtype=np.int32)
        _pay(self.value, self.m, self.v, self._last, self._owed, np.float32(step), rows)
        self.restart(step)

    def touch(self, rows: np.ndarray, step: int) -> np.ndarray:
        _pay(self.value, self.m, self.v, self._last, self._owed, np.float32(step - 1), rows)
        self._rows = rows
        return self.value[rows]

    def apply(self, gradient: np.ndarray, alpha: np.float32, step: int) -> None:
        _adam_rows(self.value, self.m, self.v, self._last, self._owed, np.float32(step), self._rows, gradient, alpha)


def encode(entries: Entries, size: int, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """float32 (rows, width): each row's entries times their rows of the kernel, summed, and the bias."""
    sums = np.empty((size, len(bias)), np.float32)
    _encode(entries.starts, entries.slots, entries.values, kernel, bias, sums)
    return sums


def encode_by_all(entries: Entries, size: int, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The same by the kernel of all columns."""
    sums = np.empty((size, len(bias)), np.float32)
    _encode(entries.starts, entries.columns[entries.slots], entries.values, kernel, bias, sums)
    return sums


def encoder_gradient(entries: Entries, size: int, gradient: np.ndarray) -> np.ndarray:
    """float32 (distinct columns, width): the gradient of the kernel's rows, from that of the sums."""
    into = np.zeros((len(entries.columns), gradient.shape[1]), np.float32)
    _encoder_gradient(entries.starts, entries.slots, entries.values, gradient, into)
    return into


def write_encoder_gradient(entries: Entries, size: int, gradient: np.ndarray, into: np.ndarray) -> None:
    """Writes the gradient of the kernel of all columns (columns, width)."""
    into[...] = 0.0
    _encoder_gradient(entries.starts, entries.columns[entries.slots], entries.values, gradient, into)


@vector_piece
def _adam(value, m, v, gradient, alpha):
    for i in range(value.size):
        x = gradient[i]
        first = _B1 * m[i] + x
        second = _B2 * v[i] + x * x
        m[i] = first
        v[i] = second
        value[i] -= alpha * first / (np.sqrt(second) + _EPSILON)


@vector_kernel
def _pay(value, m, v, last, owed, step, rows):
    """Rows get what they are owed up to that step."""
    width = value.shape[1]
    for k in range(rows.size):
        row = rows[k]
        steps = step - last[row]
        if steps > _ZERO:
            move = owed[row]
            decay1 = np.float32(math.exp(steps * _LOG_B1))
            decay2 = np.float32(math.exp(steps * _LOG_B2))
            weights, firsts, seconds = value[row], m[row], v[row]
            for a in range(width):
                weights[a] -= move * firsts[a] / (np.sqrt(seconds[a]) + _EPSILON)
                firsts[a] *= decay1
                seconds[a] *= decay2
            owed[row] = _ZERO
            last[row] = step


@vector_kernel
def _adam_rows(value, m, v, last, owed, step, rows, gradient, alpha):
    """Those rows take step number `step`; all others are owed their part of it."""
    for k in range(rows.size):
        row = rows[k]
        _adam(value[row], m[row], v[row], gradient[k], alpha)
    for row in range(owed.size):
        owed[row] += alpha * exp32((step - last[row]) * _RATIO)
    for k in range(rows.size):
        owed[rows[k]] = _ZERO
        last[rows[k]] = step


@vector_kernel
def _encode(starts, slots, values, kernel, bias, sums):
    width = bias.size
    for i in range(sums.shape[0]):
        row = sums[i]
        for a in range(width):
            row[a] = bias[a]
        k, end = starts[i], starts[i + 1]
        while k + 4 <= end:  # four at a time, as the sums are read and written once for all of them
            w0, w1, w2, w3 = kernel[slots[k]], kernel[slots[k + 1]], kernel[slots[k + 2]], kernel[slots[k + 3]]
            x0, x1, x2, x3 = values[k], values[k + 1], values[k + 2], values[k + 3]
            for a in range(width):
                row[a] += x0 * w0[a] + x1 * w1[a] + x2 * w2[a] + x3 * w3[a]
            k += 4
        while k < end:
            weights, x = kernel[slots[k]], values[k]
            for a in range(width):
                row[a] += x * weights[a]
            k += 1


@vector_kernel
def _encoder_gradient(starts, slots, values, gradient, into):
    width = gradient.shape[1]
    for i in range(gradient.shape[0]):
        given = gradient[i]
        for k in range(starts[i], starts[i + 1]):
            row, x = into[slots[k]], values[k]
            for a in range(width):
                row[a] += x * given[a]
