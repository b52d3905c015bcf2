"""Users whom a model of movies' rating arrays has never seen: fitted to their ratings by ridge regression."""

from __future__ import annotations

import numpy as np

from recsys.evaluation.factors import Factors

NOISE = 0.03  # variance of a rating array's entries about the scores; found on ml-1m, see README


class FoldIn:
    """From users' rating arrays to scores, as a Keras model is called: users are new, movies are the model's.

    A user's weights w, the bias among them, are taken as drawn from N(m, C) with the mean and the covariance of the
    weights of the users trained, and ratings as drawn from N(w . h + offset, NOISE): the most probable w is the ridge
    regression of what the mean user does not explain on the codes, whitened by C (Bishop 2006, eq. 3.53 and 3.54).
    Without ratings a user is the mean one.
    """

    def __init__(self, factors: Factors, noise: float = NOISE) -> None:
        weights = np.column_stack([factors.kernel, factors.bias]).astype(np.float64)
        codes = np.column_stack([factors.codes, np.ones(len(factors.codes))]).astype(np.float64)
        mean = weights.mean(axis=0)
        covariance = (weights - mean).T @ (weights - mean) / len(weights)
        values, vectors = np.linalg.eigh(covariance)
        kept = values > values[-1] * 1e-10
        self._mean = codes @ mean + factors.offsets  # scores of the mean user (movies)
        self._traits = codes @ (vectors[:, kept] * np.sqrt(values[kept]))  # codes whose weights are N(0, I)
        self._noise = noise

    def __call__(self, arrays: np.ndarray, training: bool = False) -> np.ndarray:
        """Scores float32 (users, movies) of rating arrays (users, movies), 0 where not rated."""
        weights = np.stack([self._weights(array) for array in arrays]) if len(arrays) else np.zeros((0, self.width))
        return (self._mean + weights @ self._traits.T).astype(np.float32)

    @property
    def width(self) -> int:
        """How many weights a user has."""
        return self._traits.shape[1]

    def _weights(self, array: np.ndarray) -> np.ndarray:
        rated = np.flatnonzero(array)
        traits, rest = self._traits[rated], array[rated] - self._mean[rated]
        # (G'G + noise I)^-1 G' = G' (GG' + noise I)^-1: whichever system is smaller
        if len(rated) < self.width:
            return traits.T @ np.linalg.solve(traits @ traits.T + self._noise * np.eye(len(rated)), rest)
        return np.linalg.solve(traits.T @ traits + self._noise * np.eye(self.width), traits.T @ rest)
