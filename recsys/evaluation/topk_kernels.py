"""The selection of recsys.evaluation.topk as a kernel of one thread, which reads each score once.

A row has a buffer of keys (`_keys` in recsys.evaluation.topk: the smaller the better) and a limit, the n-th best score
at the buffer's last clearing. Scores of no more than the limit are passed over, a stretch at a time. Others go into the
buffer. Where it is full, its n best keys stay (Hoare 1961, FIND), and the limit rises.
"""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys.compiled import kernel

SPARE = 384  # keys of a row's buffer beside the n best
_STRETCH = 32  # scores compared at once by vector instructions
_HIGHEST = 2**31 - 1


@kernel
def keep_best(buffers, counts, limits, n, scores, start, indptr, indices, least):
    """Puts the scores of a block of movies into the buffers of their users.

    Args:
        buffers: uint64 (users, n + SPARE): keys.
        counts: int64 (users): how many keys each buffer has.
        limits: float32 (users): what a score must be above; -inf at first.
        n: how many are looked for.
        scores: float32 (users, movies of the block), C-contiguous; stays as it is.
        start: the first movie of the block; blocks come in the order of their movies.
        indptr: int64 (users + 1): where each user's seen movies begin.
        indices: int32: seen movies, ascending for each user.
        least: float32: stands for lower scores and for what is not a number.
    """
    for user in range(scores.shape[0]):
        row, keys = scores[user], buffers[user]
        count, limit = counts[user], limits[user]
        seen = indices[indptr[user] : indptr[user + 1]]
        place = np.searchsorted(seen, start)
        for first in range(0, row.size, _STRETCH):
            stretch = row[first : first + _STRETCH]
            above = False
            for i in range(stretch.size):
                above |= (stretch[i] if stretch[i] > least else least) > limit
            if not above:
                continue
            for i in range(stretch.size):
                score = stretch[i] if stretch[i] > least else least
                if score > limit:  # equal ones come later than what is kept, and are worse
                    movie = start + first + i
                    while place < seen.size and seen[place] < movie:
                        place += 1
                    if place < seen.size and seen[place] == movie:
                        continue
                    bits = np.float32(score + np.float32(0)).view(np.int32)
                    worth = bits ^ ((bits >> np.int32(31)) & np.int32(_HIGHEST))
                    keys[count] = (np.uint64(_HIGHEST - np.int64(worth)) << np.uint64(32)) | np.uint64(movie)
                    count += 1
                    if count == keys.size:
                        smallest_first(keys, count, n)
                        count = n
                        worth = np.int32(_HIGHEST - np.int64(keys[n - 1] >> np.uint64(32)))
                        limit = np.int32(worth ^ ((worth >> np.int32(31)) & np.int32(_HIGHEST))).view(np.float32)
        counts[user], limits[user] = count, limit


@kernel
def cut(buffers, counts, n):
    """The n best keys of each buffer come first, in any order; behind fewer than n keys the buffer stays as it is."""
    for user in range(len(buffers)):
        smallest_first(buffers[user], counts[user], n)


@kernel
def smallest_first(keys, count, n):
    """Of the first `count` distinct keys the n smallest come first, the greatest of these last of them."""
    low, high, place = 0, count - 1, n - 1
    while low < high:
        a, b, c = keys[low], keys[(low + high) // 2], keys[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
