"""Adam (Kingma and Ba 2015, algorithm 1, with bias correction in the step size) as TensorFlow operations in a graph.

`DenseAdam` updates a whole variable in one fused operation. `RowAdam` gives the same weights at a cost in proportion
to the rows that a batch touches: a row whose gradient is zero for k steps only decays, m by b1^k and v by b2^k, and
moves by m / (sqrt(v) + e) times the sum over those steps of alpha_t (b1 / sqrt(b2))^j. That sum is one number a row,
kept up to date in every step, and paid off when the row is next touched. (In the sum e counts as if it decayed with
sqrt(v), which changes such a step by less than 3 % of the part that e has in it.)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults
_RATIO = math.log(BETA1 / math.sqrt(BETA2))


class Clock:
    """The number of the step and its size: alpha_t = lr sqrt(1 - b2^t) / (1 - b1^t)."""

    def __init__(self) -> None:
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.learning_rate = tf.Variable(0.0, dtype=tf.float32, trainable=False)

    def tick(self, learning_rate: Any) -> None:
        """One step begins; what depends on its number alone is computed once for all variables."""
        self.step.assign_add(1)
        self.learning_rate.assign(learning_rate)
        self.now = tf.cast(self.step, tf.float32)
        # in double precision on the way, since b2^t is near 1 for long
        exact = tf.cast(self.step, tf.float64)
        logarithms = tf.constant([math.log(BETA1), math.log(BETA2)], tf.float64)
        left = -tf.math.expm1(exact * logarithms)
        self.powers = tf.cast(1.0 - left, tf.float32)
        self.alpha = learning_rate * tf.cast(tf.sqrt(left[1]) / left[0], tf.float32)


class DenseAdam:
    """A variable of any shape, read and updated as a whole."""

    def __init__(self, shape: tuple[int, ...], clock: Clock) -> None:
        self.value, self.m, self.v = (tf.Variable(tf.zeros(shape), trainable=False) for _ in range(3))
        self._clock = clock

    def read(self) -> Any:
        """The weights."""
        return self.value.read_value()

    def apply(self, gradient: Any) -> None:
        """One step."""
        tf.raw_ops.ResourceApplyAdam(
            var=self.value.handle,
            m=self.m.handle,
            v=self.v.handle,
            beta1_power=self._clock.powers[0],
            beta2_power=self._clock.powers[1],
            lr=self._clock.learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            epsilon=EPSILON,
            grad=gradient,
        )

    def settle(self) -> None:
        """Nothing is owed."""

    def restart(self) -> None:
        """Weights and moments were just set."""

    def touch(self, rows: Any) -> Any:
        """The weights of those rows."""
        return tf.gather(self.value, rows)

    def apply_rows(self, rows: Any, gradient: Any, decay: Any = None) -> None:
        """One step of the whole variable: its gradient is `decay` (by default zero) and in those rows more."""
        whole = tf.zeros_like(self.value) if decay is None else decay
        self.apply(tf.tensor_scatter_nd_add(whole, rows[:, None], gradient))


class RowAdam(DenseAdam):
    """A matrix of which a step reads and updates some rows, by `touch` and `apply_rows`; to be read once settled."""

    def __init__(self, shape: tuple[int, ...], clock: Clock) -> None:
        super().__init__(shape, clock)
        self._last = tf.Variable(tf.zeros(shape[:1]), trainable=False)  # the step up to which a row is settled
        self._owed = tf.Variable(tf.zeros(shape[:1]), trainable=False)
        self._shape = (-1,) + (1,) * (len(shape) - 1)
        self._touched: tuple[Any, Any, Any] | None = None

    def restart(self) -> None:
        """All rows are settled: weights and moments were just set."""
        self._owed.assign(tf.zeros_like(self._owed))
        self._last.assign(tf.fill(tf.shape(self._last), tf.cast(self._clock.step, tf.float32)))

    def settle(self) -> None:
        """Pays all rows what they are owed, up to the present step."""
        value, m, v = self._settled(
            [self.value, self.m, self.v, self._last, self._owed], tf.cast(self._clock.step, tf.float32)
        )
        self.value.assign(value)
        self.m.assign(m)
        self.v.assign(v)
        self.restart()

    def touch(self, rows: Any) -> Any:
        """The weights of those rows as they are after the step before this one. Rows must be distinct."""
        gathered = [tf.gather(one, rows) for one in (self.value, self.m, self.v, self._last, self._owed)]
        self._touched = self._settled(gathered, self._clock.now - 1.0)
        return self._touched[0]

    def apply_rows(self, rows: Any, gradient: Any, decay: Any = None) -> None:
        """One step; the rows are those of the last `touch` in the same graph, the gradient of the others is zero."""
        assert self._touched is not None and decay is None
        value, m, v = self._touched
        alpha = self._clock.alpha
        m = m + (gradient - m) * (1 - BETA1)
        v = v + (tf.square(gradient) - v) * (1 - BETA2)
        value = value - alpha * m / (tf.sqrt(v) + EPSILON)
        for variable, new in ((self.value, value), (self.m, m), (self.v, v)):
            variable.scatter_update(tf.IndexedSlices(new, rows))
        # everybody is owed this step's part, but for those who took it
        self._owed.assign_add(alpha * tf.exp((self._clock.now - self._last) * _RATIO))
        self._owed.scatter_update(tf.IndexedSlices(tf.zeros_like(rows, tf.float32), rows))
        self._last.scatter_update(tf.IndexedSlices(tf.zeros_like(rows, tf.float32) + self._clock.now, rows))

    def _settled(self, state: list[Any], now: Any) -> tuple[Any, Any, Any]:
        value, m, v, last, owed = state
        steps = tf.reshape(now - last, self._shape)
        value = value - m / (tf.sqrt(v) + EPSILON) * tf.reshape(owed, self._shape)
        return value, m * tf.exp(steps * math.log(BETA1)), v * tf.exp(steps * math.log(BETA2))


def reference_step(
    value: np.ndarray, m: np.ndarray, v: np.ndarray, gradient: np.ndarray, step: int, learning_rate: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The definition in double precision, slow: (value, m, v) after step number `step`, counted from 1."""
    m = BETA1 * m + (1 - BETA1) * gradient
    v = BETA2 * v + (1 - BETA2) * gradient**2
    alpha = learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step)
    return value - alpha * m / (np.sqrt(v) + EPSILON), m, v
