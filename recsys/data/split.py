"""Training, validation and test, by user or by rating. Splits come from hashes: partitions and order change nothing."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.blocks import hash_movies, mix
from recsys.data.preprocessing import keep_entries

TRAIN, VALIDATION, TEST = 0, 1, 2

_USERS, _RATINGS, _HELD_OUT, _SAMPLE = 1, 2, 3, 4  # the purpose of a draw, so that draws do not depend on each other


def split_users(hashes: np.ndarray, seed: int, test_fraction: float, validation_fraction: float) -> np.ndarray:
    """TRAIN, VALIDATION or TEST for each user: test first, then validation out of the others."""
    return _parts(_uniform(hashes, seed, _USERS), test_fraction, validation_fraction)


def sample_users(hashes: np.ndarray, seed: int, fraction: float) -> np.ndarray:
    """Mask of about that part of the users, the same part of each role; a smaller sample is within a larger one."""
    return _uniform(hashes, seed, _SAMPLE) < fraction


def split_ratings(
    matrix: csr_matrix,
    hashes: np.ndarray,
    seed: int,
    test_fraction: float,
    validation_fraction: float,
    column_hashes: np.ndarray | None = None,
    test_entries: np.ndarray | None = None,
) -> np.ndarray:
    """TRAIN, VALIDATION or TEST for each entry of the users x movies matrix, in the order of its data.

    Of a movies x users matrix `hashes` are those of its movies, `column_hashes` those of its users: each rating
    plays the same role in both. With `test_entries` (their `hash_pairs`, ascending) these are the test, whatever
    `test_fraction`; of the others `validation_fraction` are the validation.
    """
    rows, columns = _entry_hashes(matrix, hashes, column_hashes)
    pairs = hash_pairs(rows, columns) if column_hashes is None else hash_pairs(columns, rows)
    uniform = _uniform(pairs, seed, _RATINGS)
    if test_entries is None:
        return _parts(uniform, test_fraction, validation_fraction)
    parts = _parts(uniform, 0.0, validation_fraction)
    parts[find_sorted(pairs, test_entries) >= 0] = TEST
    return parts


def hold_out(matrix: csr_matrix, hashes: np.ndarray, seed: int, fraction: float) -> tuple[csr_matrix, csr_matrix]:
    """The ratings that the model sees (fold-in) and those held out, as two matrices of the same shape.

    Of n ratings of a user round(fraction n) are held out, at least one and at most n - 1; a user with a single
    rating keeps it.
    """
    order_key = _uniform(hash_pairs(*_entry_hashes(matrix, hashes)), seed, _HELD_OUT)
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((order_key, rows))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(matrix.indptr[:-1], lengths)
    held_per_row = np.minimum(np.maximum(np.floor(fraction * lengths + 0.5), 1), lengths - 1)
    held = rank < np.repeat(held_per_row, lengths)
    return keep_entries(matrix, ~held), keep_entries(matrix, held)


def hash_pairs(user_hashes: np.ndarray, movie_hashes: np.ndarray) -> np.ndarray:
    """A uint64 for each pair of a user and a movie, which identifies the pair.

    The user's hash is mixed once more. Both are hashes of small integers: else user 3 with movie 8 would have the hash
    of user 8 with movie 3.
    """
    return mix(user_hashes) ^ movie_hashes


def find_sorted(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The position of each value in the ascending array `among` (not empty); -1 where it is not there."""
    positions = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.where(among[positions] == values, positions, -1)


def _parts(uniform: np.ndarray, test_fraction: float, validation_fraction: float) -> np.ndarray:
    parts = np.full(len(uniform), TRAIN, np.int8)
    parts[uniform < test_fraction + (1 - test_fraction) * validation_fraction] = VALIDATION
    parts[uniform < test_fraction] = TEST
    return parts


def _entry_hashes(
    matrix: csr_matrix, hashes: np.ndarray, column_hashes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of each entry's row and column."""
    columns = hash_movies(matrix.indices) if column_hashes is None else column_hashes[matrix.indices]
    return np.repeat(hashes, np.diff(matrix.indptr)), columns


def _uniform(hashes: np.ndarray, seed: int, purpose: int) -> np.ndarray:
    """A number in [0, 1) for each hash."""
    salt = mix(np.array([seed * 8 + purpose], np.uint64))
    return (mix(hashes ^ salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53
