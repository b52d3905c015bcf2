"""Implicit terms against dense linear algebra written out, on rectangular data."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from recsys.models.factorisation.als.implicit import Regression, drawn_to, rated, sum_rows
from recsys.models.factorisation.als.rows import Ratings, Rows
from recsys.models.factorisation.als.solve import HalfSweep, Piece, Problem
from recsys.models.factorisation.count_power import CountPower

USERS, MOVIES, K = 5, 7, 3
MASK = np.random.default_rng(2).random((USERS, MOVIES)) < 0.5
MASK[3] = False  # a user without ratings
ROOT, MEAN, SHRUNK = CountPower(), CountPower(1.0), CountPower(1.0, 2.0)


def ratings(first: int = 0, stop: int = USERS) -> Ratings:
    own = MASK[first:stop]
    indptr = np.append(0, np.cumsum(own.sum(axis=1)))
    indices = np.nonzero(own)[1].astype(np.int32)
    return Ratings(indptr, indices, np.linspace(1, 5, len(indices)).astype(np.float32))


def dense(divided_by: CountPower) -> np.ndarray:
    """S: (n + shrinkage)^-power at each of a user's n ratings."""
    return MASK / np.maximum(MASK.sum(axis=1, keepdims=True) + divided_by.shrinkage, 1) ** divided_by.power


def penalties(indptr: np.ndarray) -> np.ndarray:
    return 0.5 * np.maximum(np.diff(indptr), 1.0)


@pytest.mark.parametrize("divided_by", [ROOT, MEAN, SHRUNK])
def test_rated_rows_are_what_sums_are_made_by(divided_by: CountPower) -> None:
    np.testing.assert_allclose(rated(ratings(), MOVIES, divided_by).toarray(), dense(divided_by))


@pytest.mark.parametrize(
    ("divided_by", "expected"), [(ROOT, [5, 0, 4]), (MEAN, [2.5, 0, 4]), (SHRUNK, [10 / 6, 0, 4 / 3])]
)
def test_sums_worked_by_hand(divided_by: CountPower, expected: list[float]) -> None:
    """The first user rated all four movies, the second none, the third the last."""
    known = Ratings(np.array([0, 4, 4, 5]), np.array([0, 1, 2, 3, 3], np.int32), np.ones(5, np.float32))
    terms = np.array([[1], [2], [3], [4]], np.float32)
    np.testing.assert_allclose(drawn_to(known, terms, divided_by, 2)[:, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(drawn_to(known, terms, divided_by, 2)[:, 1], 0)


@pytest.mark.parametrize("divided_by", [ROOT, SHRUNK])
def test_terms_are_those_of_a_ridge_regression_weighted_by_the_penalties(divided_by: CountPower) -> None:
    draw = np.random.default_rng(5)
    factors, regression = draw.standard_normal((USERS, K)), Regression(MOVIES, 2.0, divided_by, penalties)
    workers = [Rows(0, ratings(0, 2)), Rows(2, ratings(2, USERS))]

    def total(what: object) -> np.ndarray:
        parts = [part for number, rows in enumerate(workers) for _, part in sum_rows([rows], what, number)]  # type: ignore[arg-type]
        return np.sum(parts, axis=0)

    sums = total(lambda rows: regression.right_and_diagonal(rows, factors[rows.first : rows.first + rows.known.rows]))
    terms = np.zeros((MOVIES, K))
    for _ in range(4):  # STEPS of conjugate gradients each
        terms = regression.fit(
            terms, sums[:, :-1], sums[:, -1], lambda values: total(lambda rows: regression.product(rows, values))
        )

    s, c = dense(divided_by), np.diag(penalties(ratings().indptr))
    expected = np.linalg.solve(s.T @ c @ s + 2.0 * np.eye(MOVIES), s.T @ c @ factors)
    np.testing.assert_allclose(terms, expected, atol=1e-8)
    np.testing.assert_allclose(sums[:, -1], np.diag(s.T @ c @ s))


@pytest.mark.parametrize("pieces", [1, 3])
def test_rows_are_drawn_to_their_terms_in_place_of_zero(pieces: int) -> None:
    draw = np.random.default_rng(6)
    movies = draw.standard_normal((MOVIES, K + 1)).astype(np.float32)  # with biases
    terms = draw.standard_normal((MOVIES, K)).astype(np.float32)
    z = drawn_to(ratings(), terms, MEAN, K + 1)
    size = -(-MOVIES // pieces)
    cut = [Piece(start, movies[start : start + size]) for start in range(0, MOVIES, size)]
    problem = Problem(MOVIES, 0.4, power=1.0, biases=True, mean=3.0)
    solved = HalfSweep(problem, [lambda one=one: one for one in cut]).solve(  # type: ignore[misc]
        ratings().entries(np.ones(1, np.float32), False), drawn_to=z
    )

    values = np.zeros((USERS, MOVIES))
    values[MASK] = ratings().values
    for user in range(USERS):
        mine = MASK[user]
        count, shift = mine.sum(), np.append(dense(MEAN)[user] @ terms, 0.0)
        np.testing.assert_allclose(z[user], shift, atol=1e-6)
        y = np.column_stack([movies[mine, :K], np.ones(count)])
        rest = values[user, mine] - 3.0 - movies[mine, K] - y @ shift
        x = np.linalg.solve(y.T @ y + 0.4 * max(count, 1) * np.eye(K + 1), y.T @ rest) + shift
        np.testing.assert_allclose(solved[user], x, atol=1e-4)
