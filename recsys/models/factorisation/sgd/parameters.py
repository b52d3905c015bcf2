"""Factors and biases of users or of movies, with their optimizer's state, and the steps of whole sides; NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from recsys.data.blocks import mix

COPIES = {"sgd": 1, "momentum": 2, "adam": 3}  # the values, and moments of the same shape
_BETA2, _EPSILON = 0.999, 1e-8  # of Adam (Kingma and Ba 2015)
_OF_USERS, _OF_MOVIES = 1, 2


@dataclass(frozen=True)
class Rule:
    """How gradients become steps.

    Attributes:
        optimizer: "sgd", "momentum" or "adam".
        momentum: of the latter two.
        l2: ridge of factors.
        l2_bias: ridge of biases.
        biased: whether there are biases.
    """

    optimizer: str
    momentum: float
    l2: float
    l2_bias: float
    biased: bool


@dataclass(frozen=True)
class Side:
    """Users' or movies' parameters: views of one float32 vector, which is what travels and is saved.

    The vector holds for each copy (values, first moments, second moments) the factors (rows, k) and then the biases.
    """

    flat: np.ndarray
    rows: int
    k: int

    @classmethod
    def of(cls, factors: np.ndarray, copies: int) -> Side:
        """These factors, biases of 0, and no moments yet."""
        rows, k = factors.shape
        side = cls(np.zeros(rows * (k + 1) * copies, np.float32), rows, k)
        side.factors()[...] = factors
        return side

    @property
    def copies(self) -> int:
        """How many copies the vector holds."""
        return len(self.flat) // max(1, self.rows * (self.k + 1))

    def factors(self, copy: int = 0) -> np.ndarray:
        """Float32 (rows, k)."""
        start = copy * self.rows * (self.k + 1)
        return self.flat[start : start + self.rows * self.k].reshape(self.rows, self.k)

    def biases(self, copy: int = 0) -> np.ndarray:
        """Float32 (rows)."""
        start = copy * self.rows * (self.k + 1) + self.rows * self.k
        return self.flat[start : start + self.rows]

    def copied(self) -> Side:
        """The same in memory of its own, which can be written to."""
        return Side(self.flat.copy(), self.rows, self.k)

    def take(self, rows: np.ndarray) -> Side:
        """Those rows, in memory of their own."""
        taken = Side(np.empty(len(rows) * (self.k + 1) * self.copies, np.float32), len(rows), self.k)
        for copy in range(self.copies):
            taken.factors(copy)[...] = self.factors(copy)[rows]
            taken.biases(copy)[...] = self.biases(copy)[rows]
        return taken

    def put(self, rows: np.ndarray, values: Side) -> None:
        """Writes these values to those rows."""
        for copy in range(self.copies):
            self.factors(copy)[rows] = values.factors(copy)
            self.biases(copy)[rows] = values.biases(copy)


def first_users(hashes: np.ndarray, k: int, scale: float, level: float, seed: int) -> np.ndarray:
    """Factors of users before training, float32 (users, k): the same whichever worker has them.

    Args:
        hashes: the users', uint64.
        k: how many factors.
        scale: their standard deviation.
        level: their mean.
        seed: of the run.
    """
    return _normal(hashes, k, scale, level, seed, _OF_USERS)


def first_movies(movies: int, k: int, scale: float, level: float, seed: int) -> np.ndarray:
    """Factors of movies before training, float32 (movies, k)."""
    return _normal(mix(np.arange(movies).astype(np.uint64)), k, scale, level, seed, _OF_MOVIES)


def take_step(side: Side, gradient: Side, counts: np.ndarray, rule: Rule, rate: float, step: int) -> None:
    """One step of all rows that have ratings, in place. The gradient is written over.

    Args:
        side: the parameters.
        gradient: the sums over each row's ratings, without l2.
        counts: ratings of each row.
        rule: of the steps.
        rate: of this one.
        step: its number, from 1.
    """
    divisor = np.maximum(counts, 1).astype(np.float32)
    rated = (counts > 0).astype(np.float32)
    parts = [(side.factors, gradient.factors(), rule.l2, True)]
    if rule.biased:
        parts.append((side.biases, gradient.biases(), rule.l2_bias, False))
    for values, slope, l2, wide in parts:
        x = values()
        slope /= divisor[:, None] if wide else divisor
        if l2:
            slope += x * (np.float32(l2) * (rated[:, None] if wide else rated))
        x -= _moved(slope, [values(copy) for copy in range(1, side.copies)], rule, rate, step)


def _moved(slope: np.ndarray, moments: list[np.ndarray], rule: Rule, rate: float, step: int) -> np.ndarray:
    """How far to go down, from the slope and the moments, which are brought up to date."""
    size, beta = np.float32(rate), np.float32(rule.momentum)
    if not moments:
        return slope * size
    first = moments[0]
    first *= beta
    if rule.optimizer == "momentum":
        first += slope
        return first * size
    second = moments[1]
    first += (1 - beta) * slope
    second *= np.float32(_BETA2)
    second += np.float32(1 - _BETA2) * np.square(slope)
    root = np.sqrt(second / np.float32(1 - _BETA2**step))
    root += np.float32(_EPSILON)
    return np.divide(first * (size / np.float32(1 - rule.momentum**step)), root, out=root)


def _normal(keys: np.ndarray, k: int, scale: float, level: float, seed: int, kind: int) -> np.ndarray:
    salt = mix(np.array([seed * 4 + kind], np.uint64))
    columns = mix(salt + np.arange(k).astype(np.uint64))
    made = np.empty((len(keys), k), np.float32)
    for start in range(0, len(keys), 4096):  # in double precision a few at a time
        drawn = mix(keys[start : start + 4096, None] ^ columns)
        made[start : start + 4096] = level + scale * ndtri(((drawn >> np.uint64(11)) + 0.5) * 2.0**-53)
    return made
