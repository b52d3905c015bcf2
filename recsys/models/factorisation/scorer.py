"""Movies' factors, and what scores users by them: each user's own factors are solved for from their ratings.

All families of factorisation compute in units of stars: rating arrays times 5, as if any scale were of 1 to 5 stars,
so that learning rates and l2 mean what they mean in papers on MovieLens. Likes are 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.linalg import lapack, solve_triangular
from scipy.optimize import nnls
from scipy.sparse import csr_matrix, diags

from recsys.data.preprocessing import Preprocessing
from recsys.models.base import ScoreBlock, Scorer
from recsys.models.factorisation.count_power import CountPower

STARS = 5.0  # what the highest rating is
_LEAST = 1e-6  # of the mean diagonal: the least ridge, without which users of few ratings have no solution


@dataclass(frozen=True)
class MovieFactors:
    """What is known of the movies, in units of stars: a rating is mean + b_u + b_i + q_i . (p_u + z_u).

    z_u = (|N(u)| + shrinkage)^-power times the sum of y_j over the movies N(u) that the user rated (SVD++: Koren 2008,
    eq. 15, has the power 1/2 and no shrinkage).

    Attributes:
        factors: q, float32 (movies, k).
        biases: b_i, float32 (movies).
        mean: of all training ratings; 0 in models without biases.
        user_bias: whether users have a bias b_u.
        implicit: y, float32 (movies, k); None: there is no z_u.
    """

    factors: np.ndarray
    biases: np.ndarray
    mean: float = 0.0
    user_bias: bool = False
    implicit: np.ndarray | None = None

    @cached_property
    def features(self) -> np.ndarray:
        """What a user's factors and bias are multiplied by: float32 (movies, k), or (movies, k + 1), the last 1."""
        if not self.user_bias:
            return self.factors
        return np.column_stack([self.factors, np.ones(len(self.factors), np.float32)])


@dataclass(frozen=True)
class Ridge:
    """How a user's factors x are solved for, given the movies' features y.

    x minimises sum_i w_i (t_i - x . y_i)^2 over the rated movies + w0 sum_j (x . y_j)^2 over the others
    + l2 (n + w0 movies)^power |x|^2, of n rated movies (Rendle et al. 2022, arXiv 2110.14037, eq. 4 and section 4.1;
    w0 = 0: explicit ratings, Zhou et al. 2008 with power = 1).

    Attributes:
        l2: the ridge.
        power: of the count that it is multiplied by.
        unobserved: w0, the weight of movies without a rating, whose target is 0.
        observed: w_i, float64 (movies), or one number for all. Where rating arrays hold the weights of counts, those
            are multiplied by it and targets are 1.
        nonnegative: whether no number of x may be below 0.
        bias_unit: what a user's bias is counted in, as a number of x: its penalty is that of factors / bias_unit^2.
        divided_by: what a user's implicit sum is divided by.
    """

    l2: float
    power: float = 0.0
    unobserved: float = 0.0
    observed: np.ndarray | float = 1.0
    nonnegative: bool = False
    bias_unit: float = 1.0
    divided_by: CountPower = field(default_factory=CountPower)


class FactorScorer(Scorer):
    """Scores users by their ratings alone, trained or new: what a sweep of ALS would give them."""

    def __init__(self, movies: MovieFactors, ridge: Ridge, preprocessing: Preprocessing) -> None:
        self.movies, self.ridge, self.preprocessing = movies, ridge, preprocessing
        self.columns = len(movies.factors)

    @property
    def in_blocks(self) -> bool:
        return True

    @cached_property
    def _features(self) -> np.ndarray:
        """What users are solved for from: the movies' features, the last of them of biases in their unit."""
        features = self.movies.features
        if not self.movies.user_bias or self.ridge.bias_unit == 1.0:
            return features
        return np.column_stack([features[:, :-1], np.full(len(features), self.ridge.bias_unit, np.float32)])

    @cached_property
    def _gramian(self) -> np.ndarray:
        """The sum of y y' over all movies, float64."""
        features = self.movies.features.astype(np.float64)
        return features.T @ features

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return np.concatenate([scores for _, scores in self.score_blocks(ratings, self.columns)], axis=1)

    def score_blocks(self, ratings: csr_matrix, columns: int) -> Iterator[ScoreBlock]:
        users = self.user_factors(ratings) / np.float32(unit_of(self.preprocessing))
        users = np.column_stack([users, np.ones(len(users), np.float32)])
        for start in range(0, self.columns, columns):
            yield start, users @ self._features_and_constant[start : start + columns].T

    @cached_property
    def _features_and_constant(self) -> np.ndarray:
        """(movies, features + 1): the product adds the constant, for which every block of scores was read again."""
        movies, unit = self.movies, np.float32(unit_of(self.preprocessing))
        return np.column_stack([movies.features, (movies.biases + np.float32(movies.mean)) / unit])

    def user_factors(self, ratings: csr_matrix) -> np.ndarray:
        """p_u + z_u, and after them b_u where users have a bias: float32 (rows, features), in units of stars.

        Args:
            ratings: raw ratings, rows x columns.
        """
        scaled = self.preprocessing.scale(ratings)
        movies, ridge = self.movies, self.ridge
        features, k = self._features, movies.factors.shape[1]
        implicit = np.zeros((1, k))
        if movies.implicit is not None:
            implicit = implicit_sums(scaled, movies.implicit, ridge.divided_by)
        solved = np.zeros((scaled.shape[0], features.shape[1]))
        targets, weights = targets_of(scaled, self.preprocessing), weights_of(scaled, self.preprocessing, ridge)
        for row in range(scaled.shape[0]):
            entries = slice(scaled.indptr[row], scaled.indptr[row + 1])
            rated = scaled.indices[entries]
            if not len(rated):
                continue
            y = features[rated].astype(np.float64)
            rest = targets[entries] - movies.mean - movies.biases[rated] - y[:, :k] @ implicit[row % len(implicit)]
            solved[row] = self._solve(y, rest, weights[entries])
        solved[:, :k] += implicit
        solved[:, k:] *= ridge.bias_unit
        return solved.astype(np.float32)

    def explain(self, ratings: csr_matrix, movie: int) -> np.ndarray | None:
        """Each rating's part in y . x, the sum that the score is made of beside biases (Hu et al. 2008, section 5)."""
        if self.movies.implicit is not None or self.ridge.nonnegative:
            return None
        scaled, movies = self.preprocessing.scale(ratings), self.movies
        y = self._features[scaled.indices].astype(np.float64)
        rest = targets_of(scaled, self.preprocessing) - movies.mean - movies.biases[scaled.indices]
        weights = weights_of(scaled, self.preprocessing, self.ridge)
        solved = _cholesky(self._system(y, weights), self._features[movie].astype(np.float64))
        return np.asarray(y @ solved * weights * rest / unit_of(self.preprocessing), np.float32)

    def _system(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """A (features, features), of A x = sum of w t y."""
        system: np.ndarray = (y.T * (weights - self.ridge.unobserved)) @ y
        if self.ridge.unobserved:
            system += self.ridge.unobserved * self._gramian
        _diagonal(system)[:] += self._penalty(len(y), float(np.trace(system)) / len(system))
        return system

    def _penalty(self, rated: int, mean_diagonal: float) -> float:
        """What is added to the diagonal for a user of so many rated movies."""
        ridge = self.ridge
        penalty = ridge.l2 * (rated + ridge.unobserved * self.columns) ** ridge.power
        return max(penalty, _LEAST * mean_diagonal)

    def _solve(self, y: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if self.ridge.nonnegative:
            # |L'x - L^-1 b|^2 is x'Ax - 2 b'x and a constant, where A = L L'
            lower = np.linalg.cholesky(self._system(y, weights))
            solution: np.ndarray = nnls(lower.T, solve_triangular(lower, (weights * targets) @ y, lower=True))[0]
            return solution
        if self.ridge.unobserved or len(y) >= y.shape[1]:
            return _cholesky(self._system(y, weights), (weights * targets) @ y)
        # (Y'WY + c I)^-1 Y'W t = Y' (YY' + c W^-1)^-1 t: the smaller system where a user has few ratings
        gramian = y @ y.T
        mean_diagonal = float(weights @ np.square(y).sum(axis=1)) / y.shape[1]
        _diagonal(gramian)[:] += self._penalty(len(y), mean_diagonal) / weights
        return _cholesky(gramian, targets) @ y


def unit_of(preprocessing: Preprocessing) -> float:
    """What rating arrays are multiplied by before anything is computed."""
    return 1.0 if preprocessing.likes else STARS


def targets_of(scaled: csr_matrix, preprocessing: Preprocessing) -> np.ndarray:
    """The target of each entry of rating arrays, float64 (entries): stars, or 1 for likes and counts."""
    if preprocessing.likes:
        return np.ones(len(scaled.data))
    return scaled.data.astype(np.float64) * STARS


def weights_of(scaled: csr_matrix, preprocessing: Preprocessing, ridge: Ridge) -> np.ndarray:
    """The weight of each entry of rating arrays, float64 (entries)."""
    observed = np.asarray(ridge.observed, np.float64)
    weights = observed[scaled.indices] if observed.ndim else np.full(len(scaled.data), float(observed))
    return weights * scaled.data if preprocessing.weighted else weights


def implicit_sums(scaled: csr_matrix, implicit: np.ndarray, divided_by: CountPower) -> np.ndarray:
    """z of each row of rating arrays, float64 (rows, k), from y (movies, k)."""
    sizes = divided_by.of(np.diff(scaled.indptr))
    rated = csr_matrix((np.ones(len(scaled.data)), scaled.indices, scaled.indptr), shape=scaled.shape)
    return np.asarray(diags(1 / sizes) @ rated @ implicit.astype(np.float64))


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    """A view of the diagonal of a square matrix, to be written to; np.diag_indices takes longer than small systems."""
    view: np.ndarray = np.einsum("ii->i", matrix)
    return view


def _cholesky(system: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution of a symmetric positive definite system, which is written over."""
    _, solution, failed = lapack.dposv(system, right, lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("the normal equations are not positive definite: raise model.l2")
    return np.asarray(solution)
