"""Figures of merit as pure NumPy functions, a value a user. Matrices are users x movies."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.evaluation.topk import best_of_blocks

_BLOCK = 4096  # movies


def top_n(scores: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
    """The n best movies of each user, best first, those already seen left out: (users, min(n, movies)) int64.

    Equal scores go by the smaller index, NaN comes last. Where a user has fewer than n unseen movies, the rest of
    the row is -1.
    """
    # copies, as the caller's stay as they are; nothing is as low as what was seen will be
    blocks = (
        (start, np.fmax(scores[:, start : start + _BLOCK], np.finfo(np.float32).min, dtype=np.float32))
        for start in range(0, scores.shape[1], _BLOCK)
    )
    return best_of_blocks(blocks, seen, min(n, scores.shape[1]))[0]


def top_of_all(worth: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
    """`top_n` where movies are worth the same (movies) to everybody: the first of one order that each has not seen."""
    order = np.argsort(-worth.astype(np.float64), kind="stable")
    n = min(n, len(worth))
    first = order[: n + int(np.diff(seen.indptr).max(initial=0))]
    place = np.full(len(worth), -1)
    place[first] = np.arange(len(first))
    rows, places = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr)), place[seen.indices]
    unseen = np.ones((seen.shape[0], len(first)), bool)
    unseen[rows[places >= 0], places[places >= 0]] = False
    rank = np.cumsum(unseen, axis=1)
    best = np.full((seen.shape[0], n), -1)
    rows, places = np.nonzero(unseen & (rank <= n))
    best[rows, rank[rows, places] - 1] = first[places]
    return best


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
