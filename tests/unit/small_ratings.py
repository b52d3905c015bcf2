"""Small rating data for tests: 5 users x 7 movies, worked by hand, and blocks of any dense array."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block, hash_users

# rectangular, no two rows or columns alike, a user with one rating, a movie without any
RATINGS = np.array(
    [
        [5.0, 0.0, 3.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, 4.5, 0.0, 0.0, 0.0, 0.0, 0.0],
        [2.0, 3.5, 0.5, 4.0, 0.0, 0.0, 1.5],
        [0.0, 0.0, 0.0, 2.5, 0.0, 5.0, 4.0],
        [1.0, 0.0, 4.5, 0.0, 0.0, 3.0, 0.0],
    ],
    np.float32,
)
USERS = np.array([11, 12, 15, 3, 40], np.int64)


def sparse(dense: np.ndarray) -> csr_matrix:
    """The users x movies matrix, float32."""
    return csr_matrix(np.asarray(dense, np.float32))


def block_of(dense: np.ndarray = RATINGS, users: np.ndarray = USERS) -> Block:
    """The block of the non-zero entries of a dense array."""
    matrix = sparse(dense)
    indptr, indices = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
    return Block(users, hash_users(users), indptr, indices, matrix.data)
