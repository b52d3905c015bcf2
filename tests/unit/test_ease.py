"""Linear item-item models in closed form: worked by hand, and against what they are defined by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys.models.ease.solve import denoising_ridge, ease, item_weights


def test_two_movies_by_hand() -> None:
    # without its own column movie 0 from movie 1 is 1 / (3 + ridge_1), movie 1 from movie 0 is 1 / (2 + ridge_0)
    gram = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(ease(gram, 1.0), [[0, 1 / 3], [1 / 4, 0]])
    np.testing.assert_allclose(ease(gram, np.array([2.0, 5.0])), [[0, 1 / 4], [1 / 8, 0]])


def test_the_ridge_of_dropout_by_hand() -> None:
    gram = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(denoising_ridge(gram, 10.0, 0.75), [10 + 3 * 2, 10 + 3 * 3])
    np.testing.assert_allclose(denoising_ridge(gram, 10.0, 0.0), [10, 10])


def test_scores_of_popular_movies_are_divided() -> None:
    gram = np.array([[2.0, 1.0], [1.0, 3.0]])
    found = item_weights(gram, np.array([16.0, 0.0]), l2=1.0, movie_power=0.25)
    np.testing.assert_allclose(found, [[0, 1 / 3], [1 / 8, 0]], rtol=1e-6)  # column 0 over 16^0.25 = 2; 0 counts as 1
    assert found.dtype == np.float32


def test_a_singular_system_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        ease(np.zeros((2, 2)), 0.0)


matrices = hnp.arrays(np.float64, (7, 5), elements=st.sampled_from([0.0, 0.0, 1.0, 2.5]))
ridges = hnp.arrays(np.float64, 5, elements=st.floats(0.1, 20))


@settings(max_examples=60, deadline=None)
@given(matrix=matrices, ridge=ridges)
def test_each_column_is_the_ridge_regression_on_the_other_movies(matrix: np.ndarray, ridge: np.ndarray) -> None:
    weights = ease(matrix.T @ matrix, ridge)
    assert (np.diag(weights) == 0).all()
    for movie in range(5):
        others = np.delete(np.arange(5), movie)
        x = matrix[:, others]
        expected = np.linalg.solve(x.T @ x + np.diag(ridge[others]), x.T @ matrix[:, movie])
        np.testing.assert_allclose(weights[others, movie], expected, rtol=1e-7, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(matrix=matrices, ridge=ridges, change=hnp.arrays(np.float64, (5, 5), elements=st.floats(-0.3, 0.3)))
def test_no_other_weights_with_a_zero_diagonal_are_better(
    matrix: np.ndarray, ridge: np.ndarray, change: np.ndarray
) -> None:
    def objective(weights: np.ndarray) -> float:
        return float(np.square(matrix - matrix @ weights).sum() + (ridge[:, None] * np.square(weights)).sum())

    np.fill_diagonal(change, 0)
    weights = ease(matrix.T @ matrix, ridge)
    assert objective(weights) <= objective(weights + change) + 1e-9


def test_the_ridge_of_dropout_is_the_mean_over_dropped_inputs() -> None:
    """EDLAE: over all ways to drop inputs, scaled by 1 / (1 - p), the mean squared error is the ridge's objective."""
    matrix, dropout = np.array([[1.0, 0.0, 2.0], [1.0, 1.0, 0.0]]), 0.25
    weights = np.array([[0.0, 0.3, -0.2], [0.5, 0.0, 0.1], [0.2, 0.4, 0.0]])
    mean = 0.0
    for kept in np.ndindex(2, 2, 2, 2, 2, 2):
        mask = np.array(kept).reshape(2, 3)
        chance = np.prod(np.where(mask == 1, 1 - dropout, dropout))
        mean += chance * np.square(matrix - matrix * mask / (1 - dropout) @ weights).sum()
    ridge = denoising_ridge(matrix.T @ matrix, 0.0, dropout)
    expected = np.square(matrix - matrix @ weights).sum() + (ridge[:, None] * np.square(weights)).sum()
    assert mean == pytest.approx(expected)
