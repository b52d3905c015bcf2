"""New users of a model of movies' rating arrays: fitted to their ratings by ridge regression on the movies' codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from recsys.data.preprocessing import Preprocessing
from recsys.models.base import ScoreBlock, Scorer
from recsys.models.factors import Factors


class FoldIn(Scorer):
    """Scores of users that a model of movies' arrays has never seen; the movies are the model's.

    A user's weights w, the bias among them, are taken as drawn from N(m, C) with the mean and the covariance of the
    weights of the users trained, and ratings as drawn from N(w . h + offset, noise): the most probable w is the ridge
    regression of what the mean user does not explain on the codes, whitened by C (Bishop 2006, eq. 3.53 and 3.54).
    Without ratings a user is the mean one.
    """

    def __init__(self, mean: np.ndarray, traits: np.ndarray, noise: float, preprocessing: Preprocessing) -> None:
        """From what `of` computes: see there."""
        self.mean, self.traits, self.noise, self.preprocessing = mean, traits, noise, preprocessing
        self.columns = len(mean)

    @classmethod
    def of(cls, factors: Factors, preprocessing: Preprocessing) -> FoldIn:
        """From the factors of the users trained.

        `mean` float64 (movies) is the scores of the mean user. `traits` float64 (movies, k) are the movies' codes,
        whitened so that users' weights are N(0, I).
        """
        weights = np.column_stack([factors.kernel, factors.bias]).astype(np.float64)
        codes = np.column_stack([factors.codes, np.ones(len(factors.codes))]).astype(np.float64)
        mean = weights.mean(axis=0)
        covariance = (weights - mean).T @ (weights - mean) / len(weights)
        values, vectors = np.linalg.eigh(covariance)
        kept = values > values[-1] * 1e-10
        traits = codes @ (vectors[:, kept] * np.sqrt(values[kept]))
        return cls(codes @ mean + factors.offsets, traits, float(factors.noise), preprocessing)

    @property
    def in_blocks(self) -> bool:
        return True

    @cached_property
    def _single(self) -> tuple[np.ndarray, np.ndarray]:
        """Traits and mean in single precision, made where they are used."""
        return self.traits.astype(np.float32), self.mean.astype(np.float32)

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return (self.mean + self._fitted(ratings) @ self.traits.T).astype(np.float32)

    def score_blocks(self, ratings: csr_matrix, columns: int) -> Iterator[ScoreBlock]:
        weights = self._fitted(ratings).astype(np.float32)
        traits, mean = self._single
        for start in range(0, self.columns, columns):
            block = slice(start, start + columns)
            yield start, weights @ traits[block].T + mean[block]

    def _fitted(self, ratings: csr_matrix) -> np.ndarray:
        """The weights float64 (rows, k) of users by their raw ratings."""
        scaled = self.preprocessing.scale(ratings)
        weights = np.zeros((scaled.shape[0], self.traits.shape[1]))
        for row in range(scaled.shape[0]):
            entries = slice(scaled.indptr[row], scaled.indptr[row + 1])
            weights[row] = self.weights(scaled.indices[entries], scaled.data[entries], [self.noise])[0]
        return weights

    def weights(self, rated: np.ndarray, values: np.ndarray, noises: Sequence[float]) -> np.ndarray:
        """The weights (noises, k) of one user by each of the noises.

        Args:
            rated: the movies rated (ratings).
            values: what they have in the user's rating array (ratings).
            noises: variances of ratings about the scores.
        """
        traits, rest = self.traits[rated], values - self.mean[rated]
        # (G'G + noise I)^-1 G' = G' (GG' + noise I)^-1: whichever system is smaller
        few = len(rated) < traits.shape[1]
        gramian = traits @ traits.T if few else traits.T @ traits
        right = rest if few else traits.T @ rest
        fits = [cho_solve(cho_factor(gramian + noise * np.eye(len(gramian))), right) for noise in noises]
        return np.stack([fit @ traits for fit in fits] if few else fits)
