"""Adam (Kingma and Ba 2015, algorithm 1, with bias correction in the step size), in place on NumPy arrays.

`adam` updates vectors as a whole. `RowAdam` gives a matrix the same weights at a cost in proportion to the rows that a
batch touches: a row whose gradient is zero for k steps only decays, m by b1^k and v by b2^k, and moves by
m / (sqrt(v) + e) times the sum over those steps of alpha_t (b1 / sqrt(b2))^j. That sum is one number a row, kept up to
date in every step, and paid off when the row is next touched. (In the sum e counts as if it decayed with sqrt(v), which
changes such a step by less than 3 % of the part that e has in it.)

Moments are kept as plain decayed sums, m / (1 - b1) and v / (1 - b2): two passes over memory less in every step.
"""

from __future__ import annotations

import math

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults
ADDED = np.float32(EPSILON / math.sqrt(1 - BETA2))  # to the root of a sum, as EPSILON to that of a mean
_DECAY1, _DECAY2 = np.float32(BETA1), np.float32(BETA2)
RATIO = math.log(BETA1 / math.sqrt(BETA2))
_PIECE = 1 << 18  # numbers updated at a time: few enough for a processor's cache


def step_size(learning_rate: float, step: int) -> np.float32:
    """alpha_t = lr sqrt(1 - b2^t) / (1 - b1^t) for moments kept as sums; `step` counts from 1."""
    alpha = learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step)
    return np.float32(alpha * (1 - BETA1) / math.sqrt(1 - BETA2))


def adam(value: np.ndarray, m: np.ndarray, v: np.ndarray, gradient: np.ndarray, alpha: np.float32) -> None:
    """One step of vectors; what `gradient` holds afterwards means nothing."""
    for start in range(0, len(value), _PIECE):
        piece = slice(start, start + _PIECE)
        _adam_piece(value[piece], m[piece], v[piece], gradient[piece], alpha)


def _adam_piece(value: np.ndarray, m: np.ndarray, v: np.ndarray, gradient: np.ndarray, alpha: np.float32) -> None:
    m *= _DECAY1
    m += gradient
    np.square(gradient, out=gradient)
    v *= _DECAY2
    v += gradient
    np.sqrt(v, out=gradient)
    gradient += ADDED
    np.divide(m, gradient, out=gradient)
    gradient *= alpha
    value -= gradient


class RowAdam:
    """A matrix of which a step reads and updates some rows, by `touch` and `apply`; to be read once settled."""

    def __init__(self, value: np.ndarray, m: np.ndarray, v: np.ndarray) -> None:
        self.value, self.m, self.v = value, m, v
        self._last = np.zeros(len(value), np.float32)  # the step up to which a row is settled
        self._owed = np.zeros(len(value), np.float32)
        self._touched: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None

    def restart(self, step: int) -> None:
        """All rows are settled up to that step: weights and moments were just set."""
        self._owed[:] = 0.0
        self._last[:] = step

    def settle(self, step: int) -> None:
        """Pays all rows what they are owed, up to that step."""
        size = max(1, _PIECE // self.value.shape[1])
        for start in range(0, len(self.value), size):
            rows = slice(start, start + size)
            self._pay(self.value[rows], self.m[rows], self.v[rows], self._last[rows], self._owed[rows], step)
        self.restart(step)

    def touch(self, rows: np.ndarray, step: int) -> np.ndarray:
        """The weights (rows, columns) of those rows as step number `step` finds them. Rows must be distinct."""
        value, m, v, last, owed = (one[rows] for one in (self.value, self.m, self.v, self._last, self._owed))
        self._pay(value, m, v, last, owed, step - 1)
        self._touched = (rows, value, m, v)
        return value

    def apply(self, gradient: np.ndarray, alpha: np.float32, step: int) -> None:
        """Step number `step` for the rows of the last `touch`; the gradient of the others is zero.

        What `gradient` holds afterwards means nothing.
        """
        assert self._touched is not None
        rows, value, m, v = self._touched
        _adam_piece(value, m, v, gradient, alpha)
        self.value[rows], self.m[rows], self.v[rows] = value, m, v
        # everybody is owed this step's part, but for those who took it
        self._owed += alpha * np.exp((np.float32(step) - self._last) * np.float32(RATIO))
        self._owed[rows] = 0.0
        self._last[rows] = step
        self._touched = None

    @staticmethod
    def _pay(value: np.ndarray, m: np.ndarray, v: np.ndarray, last: np.ndarray, owed: np.ndarray, step: int) -> None:
        move = np.sqrt(v)
        move += ADDED
        np.divide(m, move, out=move)
        move *= owed[:, None]
        value -= move
        steps = np.float32(step) - last
        m *= np.exp(steps * np.float32(math.log(BETA1)))[:, None]
        v *= np.exp(steps * np.float32(math.log(BETA2)))[:, None]


def reference_step(
    value: np.ndarray, m: np.ndarray, v: np.ndarray, gradient: np.ndarray, step: int, learning_rate: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The definition in double precision, slow: (value, m, v) after step number `step`, counted from 1."""
    m = BETA1 * m + (1 - BETA1) * gradient
    v = BETA2 * v + (1 - BETA2) * gradient**2
    alpha = learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step)
    return value - alpha * m / (np.sqrt(v) + EPSILON), m, v
