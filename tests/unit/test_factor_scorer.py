"""Users solved for from their ratings, against dense systems written out; and the files of factors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from recsys.data.preprocessing import Preprocessing
from recsys.models.factorisation.count_power import CountPower
from recsys.models.factorisation.export import write_factors
from recsys.models.factorisation.scorer import FactorScorer, MovieFactors, Ridge

USERS, MOVIES, K = 5, 7, 3
STARS = Preprocessing(1, 5)


def ratings(density: float = 0.6) -> csr_matrix:
    draw = np.random.default_rng(3)
    matrix = draw.integers(1, 6, (USERS, MOVIES)) * (draw.random((USERS, MOVIES)) < density)
    matrix[2] = 0  # a user without ratings
    return csr_matrix(matrix.astype(np.float32))


def movies(user_bias: bool = False, implicit: bool = False) -> MovieFactors:
    draw = np.random.default_rng(4)
    factors, terms = (draw.standard_normal((MOVIES, K)).astype(np.float32) for _ in range(2))
    biases = (draw.standard_normal(MOVIES) / 10).astype(np.float32) * user_bias
    return MovieFactors(factors, biases, 3.1 * user_bias, user_bias, terms if implicit else None)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_explicit_scores_are_those_of_each_users_ridge_regression(implicit: bool, power: float) -> None:
    known = movies(user_bias=True, implicit=implicit)
    scores = FactorScorer(known, Ridge(0.7, power), STARS).score(ratings()) * 5

    features = np.column_stack([known.factors, np.ones(MOVIES)])
    for user, row in enumerate(ratings().toarray()):
        rated = np.flatnonzero(row)
        shift = np.zeros(K + 1)
        if known.implicit is not None and len(rated):
            shift[:K] = known.implicit[rated].sum(axis=0) / np.sqrt(len(rated))
        y = features[rated]
        rest = row[rated] - known.mean - known.biases[rated] - y @ shift
        penalty = max(0.7 * len(rated) ** power, 0.1)  # whatever it is without ratings
        x = np.linalg.solve(y.T @ y + penalty * np.eye(K + 1), y.T @ rest) + shift
        np.testing.assert_allclose(scores[user], known.mean + known.biases + features @ x, atol=1e-5)


def test_implicit_sums_are_divided_as_asked_and_biases_have_their_own_penalty() -> None:
    known = movies(user_bias=True, implicit=True)
    scores = FactorScorer(known, Ridge(0.8, 0.5, bias_unit=2.0, divided_by=CountPower(1.0, 3.0)), STARS).score(
        ratings()
    )

    features = np.column_stack([known.factors, np.ones(MOVIES)])
    for user, row in enumerate(ratings().toarray()):
        rated = np.flatnonzero(row)
        shift = np.zeros(K + 1)
        shift[:K] = known.implicit[rated].sum(axis=0) / (len(rated) + 3)  # type: ignore[index]
        y = features[rated]
        rest = row[rated] - known.mean - known.biases[rated] - y @ shift
        penalties = np.append(np.full(K, 0.8), 0.2) * max(len(rated), 1) ** 0.5
        x = np.linalg.solve(y.T @ y + np.diag(penalties), y.T @ rest) + shift
        np.testing.assert_allclose(scores[user] * 5, known.mean + known.biases + features @ x, atol=1e-5)


def test_implicit_scores_count_all_movies() -> None:
    known, likes = movies(), Preprocessing(1, 1, feedback="likes")
    observed = np.arange(1.0, MOVIES + 1)
    scores = FactorScorer(known, Ridge(0.3, 0.5, unobserved=0.2, observed=observed), likes).score(ratings())

    y = known.factors.astype(np.float64)
    for user, row in enumerate(ratings().toarray()):
        weights = np.where(row > 0, observed, 0.2)
        penalty = 0.3 * ((row > 0).sum() + 0.2 * MOVIES) ** 0.5
        x = np.linalg.solve((y.T * weights) @ y + penalty * np.eye(K), (y.T * weights) @ (row > 0))
        np.testing.assert_allclose(scores[user], y @ x, atol=1e-5)


def test_the_weights_of_counts_multiply_those_of_movies_and_targets_are_one() -> None:
    known, counts = movies(), Preprocessing(1, 9, feedback="counts", weights="power", weight_power=1.0)
    scores = FactorScorer(known, Ridge(0.3, unobserved=0.1, observed=2.0), counts).score(ratings())

    y = known.factors.astype(np.float64)
    row = ratings().toarray()[0]
    weights = np.where(row > 0, 2 * row, 0.1)
    x = np.linalg.solve((y.T * weights) @ y + 0.3 * np.eye(K), (y.T * weights) @ (row > 0))
    np.testing.assert_allclose(scores[0], y @ x, atol=1e-5)


def test_blocks_of_movies_are_the_scores_cut() -> None:
    scorer = FactorScorer(movies(True), Ridge(0.7), STARS)
    blocks = dict(scorer.score_blocks(ratings(), 3))
    assert list(blocks) == [0, 3, 6]
    np.testing.assert_allclose(np.concatenate(list(blocks.values()), axis=1), scorer.score(ratings()), atol=1e-6)


def test_without_a_ridge_users_of_few_ratings_still_have_a_solution() -> None:
    one = csr_matrix(([4.0], [2], [0, 1]), shape=(1, MOVIES), dtype=np.float32)
    scores = FactorScorer(movies(), Ridge(0.0), STARS).score(one) * 5
    assert scores[0, 2] == pytest.approx(4.0, abs=1e-3)


@pytest.mark.parametrize("bias_unit", [1.0, 2.0])
def test_what_is_explained_adds_up_to_the_score_without_biases(bias_unit: float) -> None:
    known = movies(user_bias=True)
    scorer, row = FactorScorer(known, Ridge(0.7, 1.0, bias_unit=bias_unit), STARS), ratings()[1]
    parts = scorer.explain(row, 4)
    assert parts is not None and len(parts) == row.nnz
    constant = (known.mean + known.biases[4]) / 5
    assert parts.sum() + constant == pytest.approx(scorer.score(row)[0, 4], abs=1e-5)


@pytest.mark.parametrize("scale", [(1, 5), (0, 4), (-10, 10)])
def test_exported_factors_give_the_predicted_ratings(tmp_path: Path, scale: tuple[int, int]) -> None:
    preprocessing = Preprocessing(*scale)
    ridge = Ridge(0.7, 1.0, bias_unit=2.0, divided_by=CountPower(1.0, 3.0))
    scorer = FactorScorer(movies(user_bias=True, implicit=True), ridge, preprocessing)
    raw = ratings()
    raw.data += scale[0] - 1
    users = np.array([2**63 - 1, 5, -3, 7, 0], np.int64)

    def each_user(what: Callable[[csr_matrix], np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in (0, 2, 4):
            yield users[start : start + 2], what(raw[start : start + 2])

    ids = np.array([f"m{number}" for number in range(MOVIES)], object)
    write_factors(tmp_path / "factors", scorer, ids, each_user)

    def array(name: str) -> np.ndarray:
        return np.load(tmp_path / "factors" / f"{name}.npy", allow_pickle=False)

    mean = json.loads((tmp_path / "factors" / "factors.json").read_text())["mean"]
    predicted = mean + array("row_biases")[:, None] + array("column_biases")
    predicted = predicted + array("row_factors") @ array("column_factors").T
    np.testing.assert_allclose(np.clip(predicted, *scale), preprocessing.to_ratings(scorer.score(raw)), atol=1e-4)
    assert array("user_map").tolist() == users.tolist() and array("item_map").tolist() == ids.tolist()
    table = pd.read_parquet(tmp_path / "factors" / "users.parquet")
    np.testing.assert_array_equal(np.stack(table["factors"].to_list()), array("row_factors"))
    assert table["id"].tolist() == users.tolist()
