"""Predictions that anybody can make, which a model is compared with."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix


def bias_predictions(
    shown: csr_matrix, movie_sums: np.ndarray, movie_counts: np.ndarray, damping: tuple[float, float] = (25.0, 10.0)
) -> tuple[float, np.ndarray, np.ndarray]:
    """(global mean, movie biases, user biases) of the baseline mean + b_movie + b_user (Koren 2010, section 2.1).

    Movie biases come from training sums and counts, user biases from the ratings shown; each is damped by as many
    ratings of bias 0: (movies, users).
    """
    total = movie_counts.sum()
    mean = float(movie_sums.sum() / total) if total else 0.0
    movie_bias = (movie_sums - mean * movie_counts) / (damping[0] + movie_counts)
    residual = csr_matrix(
        (shown.data - mean - movie_bias[shown.indices], shown.indices, shown.indptr), shape=shown.shape
    )
    user_bias = np.asarray(residual.sum(axis=1)).ravel() / (damping[1] + np.diff(shown.indptr))
    return mean, movie_bias, user_bias
