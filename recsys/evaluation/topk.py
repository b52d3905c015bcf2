"""The best movies of many users out of scores that come a few movies at a time, so that memory is bounded.

A score and its movie are one integer of 64 bits, the smaller the better, so that comparing integers finds the best.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

Scores = tuple[int, np.ndarray]  # the first movie of a block, scores float32 (users, movies of the block)

_NOTHING = np.uint64(2**64 - 1)  # behind everything else
_BLOCK, _ROWS = 4096, 64  # movies and users at a time
_WORTH_COMPILING = 1 << 28  # scores a process: NumPy takes half a second longer for them, and so does importing numba
_LOW = np.uint64(2**32 - 1)
_HALF = np.uint64(32)


def worth_compiling(scores: int) -> bool:
    """Whether selecting from so many scores takes longer in NumPy than a kernel and the import of numba together."""
    return scores >= _WORTH_COMPILING


def best_of_blocks(
    blocks: Iterable[Scores], seen: csr_matrix, n: int, compiled: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(movies int64, scores float32) of the n best unseen movies of each user, best first: (users, n) each.

    Equal scores go by the smaller index. Blocks come in the order of their movies and are written over. A user
    with fewer than n unseen movies has -1 and -inf behind them. A score that is not a number is never among them.

    `compiled` asks for a kernel, which gives the same; where there can be none NumPy does it.
    """
    if compiled and (kernels := _kernels()):
        return _in_order(_select(kernels, blocks, seen, n, -np.inf))
    return _in_order(_select_by_numpy(blocks, seen, n))


def _in_order(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Movies and scores of keys, the best of each row first."""
    keys.sort(axis=1)
    return np.where(keys == _NOTHING, -1, (keys & _LOW).astype(np.int64)), _scores(keys)


@cache
def _kernels() -> ModuleType | None:
    """The kernels, compiled; None without numba, and where the disk is too full to keep what it compiles."""
    try:
        from recsys.evaluation import topk_kernels  # late: it imports numba

        _select(topk_kernels, [(0, np.zeros((1, 1), np.float32))], csr_matrix((1, 1)), 1, 0.0)
    except (ImportError, OSError):
        return None
    return topk_kernels


def _select(kernels: Any, blocks: Iterable[Scores], seen: csr_matrix, n: int, least: float) -> np.ndarray:
    """The best keys of each user in any order (users, n), by the kernels; the scores stay as they are."""
    users = seen.shape[0]
    buffers = np.full((users, n + kernels.SPARE), _NOTHING)
    counts, limits = np.zeros(users, np.int64), np.full(users, -np.inf, np.float32)
    seen = seen if seen.has_sorted_indices else seen.sorted_indices()
    # copies: the kernel would be compiled once more for arrays that cannot be written to
    indptr, indices = seen.indptr.astype(np.int64), seen.indices.astype(np.int32)
    for start, scores in blocks:
        scores = np.ascontiguousarray(scores, np.float32)
        kernels.keep_best(buffers, counts, limits, n, scores, start, indptr, indices, np.float32(least))
    kernels.cut(buffers, counts, n)
    return np.ascontiguousarray(buffers[:, :n])


def _select_by_numpy(blocks: Iterable[Scores], seen: csr_matrix, n: int) -> np.ndarray:
    """The same in NumPy; the scores are written over."""
    best = np.full((seen.shape[0], n), _NOTHING)
    by_column = seen.tocsc()
    for start, scores in blocks:
        _hide(scores, by_column, start)
        better = scores > _scores(best[:, -1:])
        if np.count_nonzero(better) > 2 * best.size:  # most of a first block: only what reaches its own n-th score
            better &= scores >= _nth(scores, n)
        users, movies = _places(better)
        best = _merge(best, users, _keys(scores[users, movies], movies + start))
    return best


def top_n(scores: np.ndarray, seen: csr_matrix, n: int, compiled: bool = False) -> np.ndarray:
    """The n best movies of each user, best first, those already seen left out: (users, min(n, movies)) int64.

    Equal scores go by the smaller index, NaN comes last. Where a user has fewer than n unseen movies, the rest of
    the row is -1. The scores stay as they are.
    """
    return top_n_of_blocks([(0, scores)], seen, min(n, scores.shape[1]), compiled)


def top_n_of_blocks(blocks: Iterable[Scores], seen: csr_matrix, n: int, compiled: bool = False) -> np.ndarray:
    """The same (users, n) of scores that come in blocks, in the order of their movies."""
    least = float(np.finfo(np.float32).min)  # nothing is as low as what was seen
    if compiled and (kernels := _kernels()):
        return _in_order(_select(kernels, blocks, seen, n, least))[0]
    copies = (
        (start + first, np.fmax(scores[:, first : first + _BLOCK], least, dtype=np.float32))
        for start, scores in blocks
        for first in range(0, scores.shape[1], _BLOCK)
    )
    return _in_order(_select_by_numpy(copies, seen, n))[0]


def best_first(worth: np.ndarray) -> np.ndarray:
    """The order of movies by what they are worth to everybody (movies), equal ones by their index."""
    return np.argsort(-worth.astype(np.float64), kind="stable")


def first_unseen(order: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
    """`top_n` where all users' movies have one order: the first n of it that each has not seen."""
    n, place = min(n, len(order)), np.full(len(order), -1)
    best = np.full((seen.shape[0], n), -1)
    for start in range(0, len(best), _ROWS):
        some = seen[start : start + _ROWS]
        first = order[: n + int(np.diff(some.indptr).max(initial=0))]
        place[first] = np.arange(len(first))
        rows, places = np.repeat(np.arange(some.shape[0]), np.diff(some.indptr)), place[some.indices]
        unseen = np.ones((some.shape[0], len(first)), bool)
        unseen[rows[places >= 0], places[places >= 0]] = False
        rank = np.cumsum(unseen, axis=1)
        rows, places = np.nonzero(unseen & (rank <= n))
        best[start + rows, rank[rows, places] - 1] = first[places]
        place[first] = -1
    return best


def hits(best: np.ndarray, relevant: csr_matrix) -> np.ndarray:
    """Which of the recommended movies (users, n) are relevant: bool of the same shape; -1 never is."""
    users, columns = relevant.shape[0], relevant.shape[1] + 1  # in the last one -1 has its place, of the row before
    rows = np.repeat(np.arange(users), np.diff(relevant.indptr))
    places = np.sort(np.append(rows * columns + relevant.indices, users * columns))
    wanted = np.arange(users)[:, None] * columns + best
    return np.asarray(places[np.searchsorted(places, wanted)] == wanted)


def _nth(scores: np.ndarray, n: int) -> np.ndarray:
    """The n-th score of each row: (rows, 1); -inf where there are fewer."""
    columns = scores.shape[1]
    if n > columns:
        return np.full((len(scores), 1), -np.inf, np.float32)
    numbers = np.fmax(scores, -np.inf, dtype=np.float32)  # what is not a number would be the highest
    return np.partition(numbers, columns - n, axis=1)[:, columns - n, None]


def _keys(scores: np.ndarray, movies: np.ndarray) -> np.ndarray:
    """Score and movie as one number each, the smaller the better: the bits of a float are in order but for its sign."""
    bits = (scores + np.float32(0)).view(np.int32)  # of -0 those of 0
    worth = bits ^ ((bits >> 31) & np.int32(2**31 - 1))
    return ((~worth).view(np.uint32) ^ np.uint32(2**31)).astype(np.uint64) << _HALF | movies.astype(np.uint64)


def _scores(keys: np.ndarray) -> np.ndarray:
    """The scores in `_keys`; -inf of _NOTHING."""
    worth = ~((keys >> _HALF).astype(np.uint32) ^ np.uint32(2**31)).view(np.int32)
    scores = (worth ^ ((worth >> 31) & np.int32(2**31 - 1))).view(np.float32)
    return np.where(keys == _NOTHING, np.float32(-np.inf), scores)


def _places(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of what is true: np.nonzero, which takes several times as long of two dimensions as of one."""
    return np.divmod(np.flatnonzero(chosen), chosen.shape[1])


def _hide(scores: np.ndarray, seen: csr_matrix, start: int) -> None:
    """What was seen is worse than everything else."""
    part = slice(seen.indptr[start], seen.indptr[start + scores.shape[1]])
    columns = np.repeat(np.arange(scores.shape[1]), np.diff(seen.indptr[start : start + scores.shape[1] + 1]))
    scores[seen.indices[part], columns] = -np.inf


def _merge(best: np.ndarray, users: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The best of each row and of the new keys of those users (ascending), the last of them at the end of its row."""
    rows, n = best.shape
    counts = np.bincount(users, minlength=rows)
    width = int(counts.max(initial=0))
    if not width:
        return best
    both = np.full((rows, n + width), _NOTHING)
    both[:, :n] = best
    both[users, n + np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)] = keys
    both.partition(n - 1, axis=1)
    return both[:, :n]
