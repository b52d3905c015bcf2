"""Half-sweeps of ALS: by hand, against dense systems, and piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from als_reference import Dense
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.sparse import csr_matrix

from recsys.models.factorisation.als.solve import Basis, Entries, HalfSweep, Piece, Problem, gramian_of

ROWS, COLUMNS = 13, 19


def dense_case(
    seed: int,
    unobserved: float = 0.0,
    biases: bool = False,
    power: float = 0.7,
    rows: int = ROWS,
    columns: int = COLUMNS,
) -> Dense:
    """Ratings of 1 to 5, a third of them there; row 2 has none, row 3 all. Some weigh less than what is not there."""
    draw = np.random.default_rng(seed)
    known = draw.random((rows, columns)) < 0.35
    known[2 % rows], known[3 % rows] = False, True
    targets = np.where(known, draw.integers(1, 6, known.shape), 0).astype(np.float64)
    weights = draw.uniform(0.5 * unobserved + 0.1, 2.0, known.shape)
    return Dense(targets, known, weights, 0.4, power, unobserved, biases, 3.1 * biases)


def entries_of(case: Dense) -> Entries:
    sparse = csr_matrix(case.known)
    values = [one[case.known].astype(np.float32) for one in (case.targets, case.weights)]
    return Entries(sparse.indptr.astype(np.int64), sparse.indices, *values)


def problem_of(case: Dense, factors: np.ndarray, **more: object) -> Problem:
    basis = Basis.of(gramian_of(factors), case.unobserved) if case.unobserved else None
    made = Problem(case.known.shape[1], case.l2, case.power, case.unobserved, case.biases, case.mean, basis)
    return replace(made, **more)  # type: ignore[arg-type]


def pieces_of(factors: np.ndarray, size: int) -> list[Callable[[], Piece]]:
    return [partial(Piece, one, factors[one : one + size]) for one in range(0, len(factors), size)]


def factors_of(seed: int, rows: int, f: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, f)).astype(np.float32)


def solve(case: Dense, factors: np.ndarray, **more: object) -> np.ndarray:
    sweep = HalfSweep(problem_of(case, factors, **more), pieces_of(factors, len(factors)))
    return sweep.solve(entries_of(case))


def test_biases_in_units_have_a_penalty_of_their_own() -> None:
    """l2 (b / unit)^2: with a unit of 2 a fourth of l2."""
    case, unit = dense_case(4, biases=True), 2.0
    columns = factors_of(5, COLUMNS, 4)
    solved = solve(case, columns, bias_unit=unit)
    for row in range(ROWS):
        known, weights = case.known[row], case.weights[row]
        if not known.any():
            continue
        y = np.column_stack([columns[known, :3], np.ones(known.sum())])
        rest = case.targets[row, known] - case.mean - unit * columns[known, 3]
        ridge = np.array([0.4, 0.4, 0.4, 0.1]) * known.sum() ** 0.7
        x = np.linalg.solve((y.T * weights[known]) @ y + np.diag(ridge), y.T @ (weights[known] * rest))
        np.testing.assert_allclose(solved[row], x / [1, 1, 1, unit], atol=1e-4)


def test_a_sweep_by_hand() -> None:
    """5 users, 7 movies, one factor, plain ALS-WR with l2 = 1: x = sum t y / (sum y^2 + number of ratings)."""
    ratings = np.array(
        [[0, 4, 0, 0, 2, 0, 0], [1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 5, 0, 3, 1], [0] * 7, [2, 2, 5, 1, 1, 4, 3]], float
    )
    movies = np.array([[1], [2], [0], [-1], [1], [3], [2]], np.float32)
    case = Dense(ratings, ratings > 0, np.ones(ratings.shape), 1.0, 1.0)
    users = solve(case, movies)
    np.testing.assert_allclose(users[:, 0], [10 / 7, 1 / 2, 6 / 17, 0, 24 / 27], rtol=1e-6)
    # movie 2 has one rating, 5 by the last user: 5 (8/9) / ((8/9)^2 + 1)
    # movie 0 has two: (1/2 + 2 8/9) / (1/4 + 64/81 + 2)
    solved = solve(case.transposed, users)
    np.testing.assert_allclose(solved[[2, 0], 0], [72 / 29, (41 / 18) / (985 / 324)], rtol=1e-6)


def test_a_sweep_with_unobserved_weight_by_hand() -> None:
    """One like, movies 1, 2, 0, -1, 1, 3, 2 with squares of 20: x = 1 / (1 + 19/2 + 1)."""
    likes = np.zeros((2, 7))
    likes[0, 0] = 1
    case = Dense(likes, likes > 0, np.ones(likes.shape), 1.0, 0.0, 0.5)
    movies = np.array([[1], [2], [0], [-1], [1], [3], [2]], np.float32)
    np.testing.assert_allclose(solve(case, movies)[:, 0], [1 / 11.5, 0], rtol=1e-6)


@pytest.mark.parametrize(("unobserved", "biases"), [(0.0, False), (0.0, True), (0.3, False)])
@pytest.mark.parametrize("f", [1, 3, 24])
def test_every_solver_and_every_cut_gives_the_dense_solution(unobserved: float, biases: bool, f: int) -> None:
    """Rows of fewer and of more ratings than factors, weights below that of what is not there, pieces of 1 to all."""
    case, factors = dense_case(f, unobserved, biases), factors_of(1, COLUMNS, f)
    expected, entries = case.rows_given(factors), entries_of(case)
    for size in (1, 6, COLUMNS):
        sweep = HalfSweep(problem_of(case, factors), pieces_of(factors, size))
        solved = sweep.solve(entries)
        np.testing.assert_allclose(solved, expected, atol=2e-5)
        errors = np.where(case.known, case.targets, 0) - case.predictions(expected, factors.astype(np.float64))
        assert sweep.squared_errors(entries, solved, False) == pytest.approx((errors[case.known] ** 2).sum(), rel=1e-4)
        if not biases:
            rest = (case.predictions(expected, factors)[case.known] ** 2).sum()
            found = sweep.squared_errors(entries, solved, True)
            assert found == pytest.approx((errors[case.known] ** 2).sum() - rest, rel=1e-4, abs=1e-3)
    for solver in ("cg", "block"):
        problem = problem_of(case, factors, solver=solver, cg_steps=60, block_size=5)
        sweep = HalfSweep(problem, pieces_of(factors, COLUMNS))
        solved = np.zeros_like(expected, np.float32)
        for _ in range(300):
            solved = sweep.solve(entries, solved)
        np.testing.assert_allclose(solved, expected, atol=1e-4)


@pytest.mark.parametrize("solver", ["cg", "block"])
def test_sweeps_of_other_solvers_end_where_those_of_cholesky_do(solver: str) -> None:
    case, found = replace(dense_case(4, 0.5), l2=2.0), []
    for name in ("cholesky", solver):
        rows, columns = np.zeros((ROWS, 3), np.float32), factors_of(1, COLUMNS, 3)
        for _ in range(150):
            problem = problem_of(case, columns, solver=name, cg_steps=2, block_size=2)
            rows = HalfSweep(problem, pieces_of(columns, COLUMNS)).solve(entries_of(case), rows)
            turned = problem_of(case.transposed, rows, solver=name, cg_steps=2, block_size=2)
            columns = HalfSweep(turned, pieces_of(rows, ROWS)).solve(entries_of(case.transposed), columns)
        found.append(rows @ columns.T)  # factors are the same but for a rotation
    assert np.abs(found[0]).max() > 0.1
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_a_few_steps_go_on_from_the_factors_before() -> None:
    case, factors = dense_case(5, 0.3), factors_of(1, COLUMNS, 12)
    expected, entries = case.rows_given(factors), entries_of(case)
    for solver in ("cg", "block"):
        sweep = HalfSweep(
            problem_of(case, factors, solver=solver, cg_steps=2, block_size=4), pieces_of(factors, COLUMNS)
        )
        once = sweep.solve(entries)
        twice = sweep.solve(entries, once)
        far, near = (np.abs(one - expected).max() for one in (once, twice))
        assert 1e-4 < near < 0.7 * far, solver
        np.testing.assert_allclose(sweep.solve(entries, expected.astype(np.float32)), expected, atol=1e-5)


@pytest.mark.parametrize("unobserved", [0.0, 0.3])
def test_no_factor_is_negative_and_none_could_be_better(unobserved: float) -> None:
    case, factors = dense_case(6, unobserved), factors_of(2, COLUMNS, 8)
    solved = solve(case, factors, nonnegative=True)
    for row in (0, 1, 3):
        weights = np.where(case.known[row], case.weights[row], unobserved)
        system = factors.T.astype(np.float64) @ (factors * weights[:, None]) + case.penalties()[row] * np.eye(8)
        lower = np.linalg.cholesky(system)
        best = nnls(lower.T, np.linalg.solve(lower, factors.T @ (weights * case.targets[row])))[0]
        assert (best == 0).any() and (best > 0).any()
        np.testing.assert_allclose(solved[row], best, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    unobserved=st.sampled_from([0.0, 0.01, 1.0]),
    power=st.sampled_from([0.0, 0.5, 1.0]),
    f=st.integers(1, 9),
)
def test_the_objective_never_rises(seed: int, unobserved: float, power: float, f: int) -> None:
    case = dense_case(seed, unobserved, biases=unobserved == 0 and seed % 2 == 0, power=power, rows=6, columns=8)
    rows, columns = np.zeros((6, f), np.float32), factors_of(seed, 8, f)
    before = case.objective(rows, columns)
    for _ in range(3):
        rows = solve(case, columns)
        columns, middle = solve(case.transposed, rows), case.objective(rows, columns)
        after = case.objective(rows, columns)
        assert after <= middle * (1 + 1e-5) and middle <= before * (1 + 1e-5)
        before = after


def test_without_unobserved_weight_it_is_explicit() -> None:
    """A w0 that goes to 0 ends at the explicit solution."""
    explicit, factors = dense_case(7), factors_of(3, COLUMNS, 4)
    barely = replace(explicit, unobserved=1e-7)
    np.testing.assert_allclose(solve(barely, factors), solve(explicit, factors), atol=1e-4)
    assert np.abs(solve(replace(explicit, unobserved=0.1), factors) - solve(explicit, factors)).max() > 0.01


def test_a_row_of_fifty_thousand_entries() -> None:
    """As a user, or a movie, has them who rates everything: the sums stay exact."""
    draw, n, f = np.random.default_rng(8), 50_000, 16
    factors = (draw.standard_normal((n, f)) + 0.5).astype(np.float32)
    targets = draw.integers(1, 6, n).astype(np.float32)
    entries = Entries(np.array([0, n]), np.arange(n, dtype=np.int32), targets, np.ones(1, np.float32))
    y = factors.astype(np.float64)
    expected = np.linalg.solve(y.T @ y + 0.05 * n * np.eye(f), y.T @ targets)
    for size in (n, 7_001):
        solved = HalfSweep(Problem(n, 0.05, 1.0), pieces_of(factors, size)).solve(entries)
        np.testing.assert_allclose(solved[0], expected, rtol=2e-4, atol=1e-5)


def test_factors_that_are_all_alike_have_a_solution_without_l2() -> None:
    """The system is singular, and to rounding not even positive: the least ridge makes it solvable, as in scoring."""
    factors = np.full((COLUMNS, 5), 1000.0, np.float32)
    solved = solve(replace(dense_case(9), l2=0.0), factors)
    case = dense_case(9)
    means = (case.weights * case.targets * case.known).sum(axis=1) / np.maximum(
        (case.weights * case.known).sum(axis=1), 1e-9
    )
    np.testing.assert_allclose(solved @ factors[0], means, rtol=1e-3)


def test_published_wals_settings_on_the_shape_of_ml_100k() -> None:
    """943 x 1,682, 100,000 ratings, 34 factors, l2 9.83, w0 0.001, 189.8 / n: the errors of a dense reference."""
    draw = np.random.default_rng(10)
    popular = 1 / np.arange(1, 1_683) ** 0.7
    known = draw.random((943, 1_682)) < np.minimum(popular * 100_000 / 943 / popular.sum(), 0.9)
    taste = draw.standard_normal((943, 4)) @ draw.standard_normal((4, 1_682)) / 2
    targets = np.where(known, np.clip(np.rint(3.5 + taste), 1, 5), 0)
    weights = np.broadcast_to(0.001 + 189.8 / np.maximum(known.sum(axis=0), 1), known.shape)
    case = Dense(targets, known, weights, 9.83, 0.0, 0.001)
    first = factors_of(4, 1_682, 34) * np.float32(0.1)
    reference_rows, reference_columns = case.sweeps(first, 1)
    columns = solve(case.transposed, solve(case, first))
    rows = solve(case, columns)
    found, expected = (
        np.sqrt(np.mean((case.predictions(*both) - targets)[known] ** 2))
        for both in ((rows, columns), (reference_rows, reference_columns))
    )
    assert 0.1 < expected < 2 and found == pytest.approx(expected, abs=1e-3)
