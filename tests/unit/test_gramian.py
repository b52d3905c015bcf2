"""The Gramian of rating arrays, by hand."""

from __future__ import annotations

import numpy as np
from small_ratings import RATINGS, sparse

from recsys.models.ease.gramian import gramian_of_rows


def test_every_rating_counts_alike() -> None:
    np.testing.assert_allclose(gramian_of_rows(sparse(RATINGS), 0.0), RATINGS.T @ RATINGS, rtol=1e-6)


def test_active_users_count_less() -> None:
    # users of 1, 2 and 4 likes: n^(-2 * 0.5) weighs their rows' products by 1, 1/2 and 1/4
    likes = np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], np.float32)
    found = gramian_of_rows(sparse(likes), 0.5)
    np.testing.assert_allclose(found[0], [1 + 1 / 2 + 1 / 4, 1 / 2 + 1 / 4, 1 / 4, 1 / 4, 0])
    np.testing.assert_allclose(found[1], [3 / 4, 3 / 4, 1 / 4, 1 / 4, 0])


def test_a_user_without_ratings_adds_nothing() -> None:
    np.testing.assert_array_equal(gramian_of_rows(sparse(np.zeros((2, 3))), 0.25), np.zeros((3, 3)))
