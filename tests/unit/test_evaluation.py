"""What evaluation adds up over users: ranking and rating figures on small data, and their standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ratings import RATINGS, sparse

from recsys.config import Config
from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.evaluation.evaluate import MODEL, POPULARITY
from recsys.evaluation.measure import Sums, measure_ranking, measure_ratings


def settings_of(**evaluation: Any) -> Config:
    return build_config({"data": {"dataset": "ml-1m"}, "evaluation": evaluation})


# movies 0, 2 and 5 of the first user, and so on, are split into what is shown and what is held out
HELD = np.where([[0, 0, 1, 0, 0, 1, 0], [0] * 7, [1, 0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0], [0] * 7], RATINGS, 0)
SHOWN = RATINGS - HELD
SCORES = np.array(
    [
        [0.9, 0.1, 0.8, 0.2, 0.3, 0.4, 0.0],  # unseen in order: 2, 5, 4, 3, 1, 6
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],  # nothing held out
        [0.1, 0.9, 0.8, 0.3, 0.7, 0.6, 0.2],  # 4, 5, 3, 6, 0
        [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1],  # 0, 1, 2, 3, 4
        [0.1] * 7,
    ],
    np.float32,
)
GAIN = [1 / math.log2(rank + 1) for rank in range(1, 8)]


def test_ranking_by_hand() -> None:
    sums = Sums()
    measure_ranking(sums, MODEL, SCORES, sparse(SHOWN), sparse(HELD), settings_of(recall_at=[2, 3], ndcg_at=4))
    assert sums.mean("model/recall@2")["mean"] == pytest.approx((1 + 0 + 0) / 3)
    assert sums.mean("model/recall@3")["mean"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    third = (GAIN[2] + GAIN[3]) / (GAIN[0] + GAIN[1] + GAIN[2])
    assert sums.mean("model/ndcg@4")["mean"] == pytest.approx((1 + third + GAIN[3]) / 3)
    assert {sums.mean(name)["count"] for name in sums.values} == {3}
    # the lists of two: 2 and 5, 4 and 5, 0 and 1
    assert np.flatnonzero(sums.recommended[MODEL]).tolist() == [0, 1, 2, 4, 5]


def test_only_ratings_that_are_good_enough_are_hits_and_nothing_is_changed() -> None:
    shown, held = sparse(SHOWN), sparse(HELD)
    for _ in range(2):  # the second time as the first: the caller's matrices stay as they are
        sums = Sums()
        measure_ranking(sums, MODEL, SCORES, shown, held, settings_of(recall_at=[3], relevant_from=2.5, ndcg_at=3))
        # left are movie 2 of the first user, 3 of the third and 3 of the fourth
        assert sums.mean("model/recall@3") == {
            "mean": pytest.approx(2 / 3), "standard_error": pytest.approx(1 / 3), "count": 3
        }  # fmt: skip
        assert sums.mean("model/ndcg@3")["mean"] == pytest.approx((1 + GAIN[2] + 0) / 3)
    np.testing.assert_array_equal(held.toarray(), HELD)
    assert held.nnz == np.count_nonzero(HELD)


def test_users_with_nothing_held_out_count_nowhere() -> None:
    sums = Sums()
    measure_ranking(sums, POPULARITY, SCORES[[1, 4]], sparse(SHOWN[[1, 4]]), sparse(HELD[[1, 4]]), settings_of())
    assert sums.values == {}
    assert sums.recommended == {}
    assert sums.mean("popularity/recall@20") == {"mean": None, "standard_error": None, "count": 0}


def test_rating_errors_by_hand() -> None:
    examples = Examples.of(settings_of(), 3, Preprocessing(0.5, 5.0))
    shown, held = sparse(np.array([[5, 0, 0], [0, 1, 0]])), sparse(np.array([[0, 2, 4], [3, 0, 0]]))
    movie_sums, movie_counts = np.array([9.0, 3.0, 0.0]), np.array([2.0, 2.0, 0.0])
    predicted = {MODEL: np.array([2.5, 9, -9])}
    sums = Sums()
    measure_ratings(sums, predicted, shown, held, movie_sums, movie_counts, examples)

    def errors(name: str) -> tuple[Any, Any]:
        return sums.mean(f"{name}/squared_error")["mean"], sums.mean(f"{name}/absolute_error")["mean"]

    def expected(*guesses: float) -> Any:
        error = np.array(guesses) - [2, 4, 3]
        return pytest.approx((np.square(error).mean(), np.abs(error).mean()))

    assert errors(MODEL) == expected(2.5, 5.0, 0.5)  # clipped to the scale
    assert errors("global_mean") == expected(3, 3, 3)
    assert errors("movie_mean") == expected(1.5, 3, 4.5)  # the mean of all where a movie was never rated
    first, second = (9 - 6) / 27, (3 - 6) / 27
    user = (5 - 3 - first) / 11, (1 - 3 - second) / 11
    assert errors("user_movie_bias") == expected(3 + second + user[0], 3 + user[0], 3 + first + user[1])
    assert sums.mean("model/squared_error")["count"] == 3


def test_mean_and_standard_error_by_hand() -> None:
    sums = Sums()
    sums.add("x", np.array([1.0, 2.0, math.nan]))
    sums.add("x", np.array([3.0, 6.0]))
    # 1, 2, 3, 6: mean 3, squared deviations 4 + 1 + 0 + 9, variance 14 / 3
    assert sums.mean("x") == {"mean": 3.0, "standard_error": pytest.approx(math.sqrt(14 / 3 / 4)), "count": 4}


def test_one_value_alone_has_no_standard_error() -> None:
    sums = Sums()
    sums.add("x", np.array([2.5]))
    assert sums.mean("x") == {"mean": 2.5, "standard_error": None, "count": 1}


def test_movies_of_any_list_are_recommended_and_empty_places_are_none() -> None:
    sums = Sums()
    sums.recommend("x", np.array([[3, -1], [0, 3]]), 5)
    assert sums.recommended["x"].tolist() == [True, False, False, True, False]


values = st.lists(st.floats(-100, 100), max_size=6)


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(values, min_size=1, max_size=4))
def test_sums_merge_as_if_all_had_been_added_to_one(parts: list[list[float]]) -> None:
    merged, whole = Sums(), np.array([value for part in parts for value in part])
    for number, part in enumerate(parts):
        one = Sums()
        one.add("x", np.array(part))
        one.recommend("lists", np.array([[number % 3]]), 3)
        before = merged
        merged = merged.merge(one)
        assert before is not merged
    found = merged.mean("x")
    assert found["count"] == len(whole)
    if len(whole) > 1:
        assert found["mean"] == pytest.approx(whole.mean(), abs=1e-9)
        error = whole.std(ddof=1) / math.sqrt(len(whole))
        assert found["standard_error"] == pytest.approx(error, abs=1e-5)
    assert np.flatnonzero(merged.recommended["lists"]).tolist() == list(range(min(3, len(parts))))
