"""From raw ratings, likes and counts to rating arrays and back: by hand, and on any scale."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from recsys.config.load import build_data
from recsys.data.preprocessing import Preprocessing, preprocessing_of

MOVIELENS = [(0.5, 5.0), (1.0, 5.0)]
scales = st.tuples(st.integers(-1000, 1000), st.integers(1, 2000), st.sampled_from([1, 2, 10])).map(
    lambda one: (one[0] / one[2], (one[0] + one[1]) / one[2])
)


def stored(values: Any) -> csr_matrix:
    """One user who rated the movies 0, 2, 4, ...; zeros stay."""
    data = np.asarray(values, np.float32)
    return csr_matrix((data, 2 * np.arange(len(data)), [0, len(data)]), shape=(1, 2 * len(data) + 1))


def scaled(preprocessing: Preprocessing, values: Any) -> np.ndarray:
    return preprocessing.scale(stored(values)).data


def test_a_scale_of_stars_is_divided_by_its_highest() -> None:
    assert Preprocessing(1.0, 5.0).lowest_value == pytest.approx(0.2)
    assert scaled(Preprocessing(1.0, 5.0), [1, 2.5, 5]).tolist() == pytest.approx([0.2, 0.5, 1])


@pytest.mark.parametrize(
    ("low", "high", "values", "expected"),
    [
        (0, 10, [0, 5, 10], [0.2, 0.6, 1]),
        (-10, 10, [-10, 0, 10], [0.2, 0.6, 1]),
        (-1, 1, [-1, 0, 1], [0.2, 0.6, 1]),
        (0, 1, [0, 1], [0.2, 1]),
        (-5, -1, [-5, -1], [0.2, 1]),
        (-4, 0, [-4, 0], [0.2, 1]),
        (2, 10, [2, 6, 10], [0.2, 0.6, 1]),
    ],
)
def test_other_scales_by_hand(low: float, high: float, values: list[float], expected: list[float]) -> None:
    assert scaled(Preprocessing(low, high), values).tolist() == pytest.approx(expected)
    back = Preprocessing(low, high).to_ratings(np.array(expected, np.float32))
    assert back.tolist() == pytest.approx(values, abs=1e-5)


def test_the_lowest_value_may_be_set() -> None:
    preprocessing = Preprocessing(0, 10, lowest=0.5)
    assert scaled(preprocessing, [0, 5, 10]).tolist() == pytest.approx([0.5, 0.75, 1])
    assert preprocessing.to_ratings(np.array([0.5, 0.75, 1])).tolist() == pytest.approx([0, 5, 10])


def test_no_entry_is_lost_and_none_moves() -> None:
    matrix = csr_matrix((np.array([0, -3, 0, 5], np.float32), [1, 2, 0, 3], [0, 2, 2, 4]), shape=(3, 4))
    arrays = Preprocessing(-5, 5).scale(matrix)
    assert (arrays.indptr.tolist(), arrays.indices.tolist()) == ([0, 2, 2, 4], [1, 2, 0, 3])
    assert arrays.data.tolist() == pytest.approx([0.6, 0.36, 0.6, 1])
    assert matrix.data.tolist() == [0, -3, 0, 5]


@pytest.mark.parametrize("one", [-2.0, 0.0, 1.0, 7.0])
def test_a_scale_of_one_rating_is_that_of_likes(one: float) -> None:
    preprocessing = Preprocessing(one, one)
    assert scaled(preprocessing, [one, one]).tolist() == [1, 1]
    assert preprocessing.to_ratings(np.array([-3, 0.4, 9])).tolist() == [one] * 3


def test_likes_are_ones() -> None:
    assert Preprocessing(1, 1, feedback="likes").likes
    assert scaled(Preprocessing(0, 1, feedback="likes"), [0, 1]).tolist() == [1, 1]
    liked = Preprocessing(-10, 10, 0.0).scale(stored([-1, 0, 9]))
    assert (liked.indices.tolist(), liked.data.tolist()) == ([2, 4], [1, 1])
    assert not Preprocessing(-10, 10).likes


def test_counts_weigh_by_the_formulas_and_never_less_than_a_hundredth() -> None:
    counts = [1, math.e, 100, 0.5, 0.1, 0.0, -4]
    plain = Preprocessing(1, 100, feedback="counts")
    assert plain.likes and not plain.weighted
    assert scaled(plain, counts).tolist() == [1] * 7
    log = Preprocessing(1, 100, feedback="counts", weights="log")
    assert log.weighted
    expected = [1, 2, 1 + math.log(100), 1 - math.log(2), 0.01, 0.01, 0.01]
    assert scaled(log, counts).tolist() == pytest.approx(expected)
    power = Preprocessing(1, 100, feedback="counts", weights="power", weight_power=0.25)
    expected = [1, math.e**0.25, 100**0.25, 0.5**0.25, 0.1**0.25, 0.01, 0.01]
    assert scaled(power, counts).tolist() == pytest.approx(expected)
    assert log.without_weights() == plain and plain.without_weights() is plain


@pytest.mark.parametrize("feedback", ["ratings", "likes"])
def test_only_counts_weigh(feedback: str) -> None:
    assert not Preprocessing(1, 5, feedback=feedback, weights="log").weighted


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"rating_min": 5.0, "rating_max": 1.0}, "a scale from 5 to 1"),
        ({"rating_max": math.inf}, "a scale from 1 to inf"),
        ({"lowest": 0.0}, "lowest = 0: must lie between 0, which is 'not rated', and 1"),
        ({"lowest": 1.0}, "lowest = 1"),
        ({"feedback": "stars"}, "feedback = 'stars'"),
        ({"weights": "sqrt"}, "weights = 'sqrt'"),
    ],
)
def test_what_is_no_preprocessing_is_refused(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Preprocessing(**{"rating_min": 1.0, "rating_max": 5.0, **wrong})


def test_it_is_written_and_read() -> None:
    whole = Preprocessing(-10, 10, 3.0, 0.1, "counts", "power", 0.3)
    assert Preprocessing.of(json.loads(json.dumps(whole.to_mapping()))) == whole
    earlier = {"format_version": 3, "rating_min": 0.5, "rating_max": 5.0, "positive_from": None}
    assert Preprocessing.of(earlier) == Preprocessing(0.5, 5.0)


def test_the_settings_say_what_the_data_do_not() -> None:
    data = build_data({"ratings": "r", "weights": "power", "weight_power": 0.3})
    made = preprocessing_of(1.0, 900.0, "counts", data)
    assert made == Preprocessing(1.0, 900.0, feedback="counts", weights="power", weight_power=0.3)
    liked = preprocessing_of(0.0, 10.0, "auto", build_data({"ratings": "r", "positive_from": 7.0}))
    assert liked == Preprocessing(0.0, 10.0, 7.0)


@pytest.mark.parametrize(("low", "high"), MOVIELENS)
@given(values=st.lists(st.floats(0.5, 5, width=32), min_size=1, max_size=20), lowest=st.booleans())
def test_of_movielens_scales_it_is_the_quotient_bit_for_bit(
    low: float, high: float, values: list[float], lowest: bool
) -> None:
    raw = np.array(values, np.float32)
    preprocessing = Preprocessing(low, high, lowest=low / high if lowest else None)
    np.testing.assert_array_equal(scaled(preprocessing, raw), raw / np.float32(high))
    outputs = raw - np.float32(0.7)
    np.testing.assert_array_equal(preprocessing.to_ratings(outputs), np.clip(outputs * high, low, high))


@settings(max_examples=200, deadline=None)
@given(scale=scales, places=st.lists(st.floats(0, 1), min_size=1, max_size=20), lowest=st.none() | st.floats(0.05, 0.9))
def test_any_scale_goes_there_and_back_in_order(
    scale: tuple[float, float], places: list[float], lowest: float | None
) -> None:
    low, high = scale
    preprocessing = Preprocessing(low, high, lowest=lowest)
    raw = np.sort(np.array([low, high, *(low + place * (high - low) for place in places)], np.float32))
    arrays = scaled(preprocessing, raw)
    assert arrays.dtype == np.float32
    assert (np.diff(arrays) >= 0).all()
    assert (arrays[0], arrays[-1]) == (pytest.approx(preprocessing.lowest_value, rel=1e-6), 1.0)
    assert (arrays > 0).all()  # 0 is "not rated"
    room = 1e-5 * max(abs(low), abs(high)) / (1 - preprocessing.lowest_value)
    np.testing.assert_allclose(preprocessing.to_ratings(arrays), raw, atol=room)


@given(
    counts=st.lists(st.floats(2**-20, 2**20, width=32), min_size=2, max_size=20),
    weights=st.sampled_from(["log", "power"]),
)
def test_more_often_never_weighs_less(counts: list[float], weights: str) -> None:
    found = scaled(Preprocessing(1, 9, feedback="counts", weights=weights), sorted(counts))
    assert (np.diff(found) >= 0).all() and (found > 0).all()
