"""Linear item-item models in closed form, as plain NumPy: EASE, its denoising variant, and their data normalisation.

With X users x movies, G = X^T X is all that is needed of the users, and a sum over blocks of users.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack


def ease(gramian: np.ndarray, ridge: float | np.ndarray) -> np.ndarray:
    """Weights B (movies, movies), float64, zero on the diagonal, that minimise |X - X B|^2 + sum_i ridge_i |B_i.|^2.

    `gramian` is X^T X (movies, movies); `ridge` one positive number, or one a movie. Scores are X B. Steck 2019,
    "Embarrassingly Shallow Autoencoders for Sparse Data", eq. 8: with P = (G + diag(ridge))^-1, B_ij = -P_ij / P_jj.
    Raises numpy.linalg.LinAlgError where G + diag(ridge) is not positive definite.
    """
    system = np.array(gramian, np.float64, order="F")
    system[np.diag_indices_from(system)] += ridge
    factor, failed = lapack.dpotrf(system, lower=1, overwrite_a=1)
    if failed == 0:
        factor, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError("G + diag(ridge) is not positive definite")
    inverse = np.tril(factor)
    inverse += np.tril(inverse, -1).T
    weights: np.ndarray = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def denoising_ridge(gramian: np.ndarray, l2: float, dropout: float) -> np.ndarray:
    """Ridge (movies) that stands for dropping out `dropout` of the input, in expectation: l2 + p / (1 - p) diag(G).

    Steck 2020, "Autoencoders that don't overfit towards the Identity" (EDLAE), section 3.2.
    """
    ridge: np.ndarray = l2 + dropout / (1 - dropout) * np.diag(gramian).astype(np.float64)
    return ridge


def item_weights(
    gramian: np.ndarray, counts: np.ndarray, l2: float, dropout: float = 0.0, movie_power: float = 0.0
) -> np.ndarray:
    """The weights (movies, movies), float32: score of movie j from movie i in [i, j].

    `counts` (movies) is how often each movie was rated in training: the scores of movie j are divided by
    counts_j^movie_power, so that the popular ones do not crowd out the rest.
    """
    weights = ease(gramian, denoising_ridge(gramian, l2, dropout))
    weights /= np.maximum(counts, 1.0) ** movie_power
    return weights.astype(np.float32)
