"""Figures of merit as pure NumPy functions, a value a user. Matrices are users x movies."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix


def top_n(scores: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
    """The n best movies of each user, best first, those already seen left out: (users, min(n, movies)) int64.

    Equal scores go by the smaller index, NaN comes last. Where a user has fewer than n unseen movies, the rest of
    the row is -1.
    """
    scores = np.array(scores, np.float32)  # the caller's stays as it is
    # lower than every other score, but not as low as what was seen
    lowest = np.finfo(np.float32).min
    scores[np.isnan(scores) | (scores < lowest)] = lowest
    rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    unseen = np.ones(scores.shape, bool)
    unseen[rows, seen.indices] = False
    scores[~unseen] = -np.inf
    movies = scores.shape[1]
    n = min(n, movies)
    if n < movies:
        # everything above the n-th score is in; of those equal to it, the smallest indices
        threshold = np.partition(scores, movies - n, axis=1)[:, movies - n][:, None]
        above, equal = scores > threshold, scores == threshold
        room = n - above.sum(axis=1, keepdims=True)
        chosen = above | (equal & (np.cumsum(equal, axis=1) <= room))
        candidates = np.nonzero(chosen)[1].reshape(len(scores), n)
    else:
        candidates = np.tile(np.arange(movies), (len(scores), 1))
    values = np.take_along_axis(scores, candidates, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(candidates, order, axis=1)
    return np.where(np.take_along_axis(unseen, best, axis=1), best, -1)


def hits(best: np.ndarray, relevant: csr_matrix) -> np.ndarray:
    """Which of the recommended movies (users, n) are relevant: bool of the same shape; -1 never is."""
    dense = np.zeros((best.shape[0], relevant.shape[1] + 1), bool)
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    dense[rows, relevant.indices] = True
    return np.take_along_axis(dense, best, axis=1)  # -1 is the last column, which stays false


def recall(hit: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Recall@k = hits among the first k / min(k, relevant movies); NaN for a user without relevant movies.

    Liang et al. 2018, section 4.2.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return hit[:, :k].sum(axis=1) / np.minimum(k, relevant)


def ndcg(hit: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """NDCG@k with gains of 1: sum over hits of 1 / log2(rank + 1), over that of a perfect list.

    Jarvelin and Kekalainen 2002; NaN for a user without relevant movies.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    dcg = (hit[:, :k] * discounts[: hit.shape[1]]).sum(axis=1)
    ideal = np.concatenate(([0.0], np.cumsum(discounts)))[np.minimum(relevant, k)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return dcg / ideal


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
