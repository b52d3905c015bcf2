"""The best movies of many users out of scores that come a few movies at a time, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix

Scores = tuple[int, np.ndarray]  # the first movie of a block, scores float32 (users, movies of the block)


def best_of_blocks(blocks: Iterable[Scores], seen: csr_matrix, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(movies int64, scores float32) of the n best unseen movies of each user, best first: (users, n) each.

    Equal scores go by the smaller index. Blocks come in the order of their movies and are written over. A user
    with fewer than n unseen movies has -1 and -inf behind them. A score that is not a number is never among them.
    """
    rows = seen.shape[0]
    best, values = np.full((rows, n), -1), np.full((rows, n), -np.inf, np.float32)
    by_column = seen.tocsc()
    for start, scores in blocks:
        _hide(scores, by_column, start)
        users, movies = _places(scores > values[:, -1:])
        if len(users) > rows * n:  # most of a first block: it is cheaper to select than to sort
            movies = _partition(scores, n)
            users = np.repeat(np.arange(rows), movies.shape[1])
            movies = movies.ravel()
            above = scores[users, movies] > values[users, -1]
            users, movies = users[above], movies[above]
        _merge(best, values, users, movies + start, scores[users, movies])
    return best, values


def _partition(scores: np.ndarray, n: int) -> np.ndarray:
    """The n best of each row, in the order of their columns: (rows, min(n, columns))."""
    rows, columns = scores.shape
    if n >= columns:
        return np.tile(np.arange(columns), (rows, 1))
    scores = np.fmax(scores, -np.inf, dtype=np.float32)  # what is not a number would be the highest
    # everything above the n-th score is in; of those equal to it, the smallest indices
    threshold = np.partition(scores, columns - n, axis=1)[:, columns - n][:, None]
    above, equal = scores > threshold, scores == threshold
    room = n - above.sum(axis=1, keepdims=True)
    chosen = above | (equal & (np.cumsum(equal, axis=1) <= room))
    return _places(chosen)[1].reshape(rows, n)


def _places(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of what is true: np.nonzero, which takes several times as long of two dimensions as of one."""
    return np.divmod(np.flatnonzero(chosen), chosen.shape[1])


def _hide(scores: np.ndarray, seen: csr_matrix, start: int) -> None:
    """What was seen is worse than everything else."""
    part = slice(seen.indptr[start], seen.indptr[start + scores.shape[1]])
    columns = np.repeat(np.arange(scores.shape[1]), np.diff(seen.indptr[start : start + scores.shape[1] + 1]))
    scores[seen.indices[part], columns] = -np.inf


def _merge(best: np.ndarray, values: np.ndarray, users: np.ndarray, movies: np.ndarray, scores: np.ndarray) -> None:
    """Puts better movies in; of equal scores those that were there, and then those that come first, stay."""
    changed = np.unique(users)
    n = best.shape[1]
    of = np.concatenate([np.repeat(changed, n), users])
    candidates = np.concatenate([best[changed].ravel(), movies])
    worth = np.concatenate([values[changed].ravel(), scores])
    order = np.lexsort((-worth, of))  # stable
    starts = np.searchsorted(of[order], changed)
    chosen = order[starts[:, None] + np.arange(n)]
    best[changed], values[changed] = candidates[chosen], worth[chosen]
