"""Metrics on lists worked by hand, and beside a slow, readable reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_ratings import sparse

from recsys.evaluation.baselines import bias_predictions
from recsys.evaluation.metrics import HitRate, Mrr, Ndcg, Recall
from recsys.evaluation.topk import hits, top_n
from recsys.registries import METRICS

NAN, INF = math.nan, math.inf


def best(scores: list[list[float]], seen: list[list[float]], n: int) -> list[list[int]]:
    return top_n(np.array(scores, np.float32), sparse(np.array(seen)), n).tolist()


def test_the_best_come_first_and_seen_ones_are_left_out() -> None:
    assert best([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]], [[0, 0, 0], [5, 0, 0]], 2) == [[1, 2], [1, 2]]


def test_equal_scores_go_by_the_smaller_index() -> None:
    assert best([[0.5, 0.9, 0.5, 0.5]], [[0, 0, 0, 0]], 3) == [[1, 0, 2]]
    assert best([[0.5, 0.5, 0.5, 0.5]], [[1, 0, 0, 0]], 2) == [[1, 2]]
    assert best([[0.5, 0.5, 0.5]], [[0, 0, 0]], 3) == [[0, 1, 2]]


def test_a_list_is_no_longer_than_there_are_movies() -> None:
    assert best([[0.1, 0.3, 0.2]], [[0, 0, 0]], 10) == [[1, 2, 0]]


def test_fewer_unseen_movies_than_asked_leave_the_rest_empty() -> None:
    assert best([[0.1, 0.9, 0.5]], [[0, 4, 0]], 3) == [[2, 0, -1]]
    assert best([[0.1, 0.9, 0.5, 0.2]], [[1, 4, 1, 0]], 2) == [[3, -1]]
    assert best([[0.1, 0.9]], [[1, 1]], 1) == [[-1]]


@pytest.mark.parametrize("bad", [NAN, -INF])
def test_what_has_no_score_comes_last_but_before_what_was_seen(bad: float) -> None:
    assert best([[0.1, bad, 0.5]], [[0, 0, 0]], 3) == [[2, 0, 1]]
    assert best([[0.1, bad, 0.5]], [[3, 0, 0]], 2) == [[2, 1]]
    assert best([[0.1, bad, 0.5]], [[3, 0, 0]], 3) == [[2, 1, -1]]
    assert best([[bad, bad, bad]], [[3, 0, 0]], 2) == [[1, 2]]


def test_the_callers_scores_stay_as_they_are() -> None:
    scores = np.array([[NAN, 0.9, 0.5]], np.float32)
    top_n(scores, sparse(np.array([[0, 1, 0]])), 2)
    np.testing.assert_array_equal(scores, np.array([[NAN, 0.9, 0.5]], np.float32))


def test_hits_are_relevant_movies_and_an_empty_place_is_none() -> None:
    found = hits(np.array([[2, 0, -1], [1, 2, 0]]), sparse(np.array([[0, 0, 4], [1, 0, 2]])))
    assert found.tolist() == [[True, False, False], [False, True, True]]
    # the last movie is relevant, the empty place is not taken for it
    assert hits(np.array([[-1]]), sparse(np.array([[0, 5]]))).tolist() == [[False]]


# three-item lists of four users: which of the movies are relevant, and how many relevant movies each user has
HIT = np.array([[True, False, True], [False, True, False], [False, False, False], [True, True, True]])
RELEVANT = np.array([2, 1, 3, 5])
SECOND, THIRD = 1 / math.log2(3), 1 / 2  # what a hit at these ranks counts for in DCG; the first counts for 1
BY_HAND: dict[str, dict[int, list[float]]] = {
    "recall": {1: [1, 0, 0, 1], 2: [1 / 2, 1, 0, 1], 3: [1, 1, 0, 1]},
    "ndcg": {
        1: [1, 0, 0, 1],
        2: [1 / (1 + SECOND), SECOND, 0, 1],
        3: [(1 + THIRD) / (1 + SECOND), SECOND, 0, 1],
    },
    "hit_rate": {1: [1, 0, 0, 1], 2: [1, 1, 0, 1], 3: [1, 1, 0, 1]},
    "mrr": {1: [1, 0, 0, 1], 2: [1, 1 / 2, 0, 1], 3: [1, 1 / 2, 0, 1]},
}
every_metric = pytest.mark.parametrize("name", METRICS.names())


@pytest.mark.parametrize(("name", "k"), [(name, k) for name, lengths in BY_HAND.items() for k in lengths])
def test_metrics_by_hand(name: str, k: int) -> None:
    metric = METRICS.get(name)(k)
    found = metric.per_user(HIT, RELEVANT)
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx(BY_HAND[name][k])


def test_the_first_hit_may_be_the_last_of_the_list() -> None:
    hit, relevant = np.array([[False, False, True]]), np.array([2])
    assert Mrr(3).per_user(hit, relevant).tolist() == pytest.approx([1 / 3])
    assert Mrr(2).per_user(hit, relevant).tolist() == [0]
    assert HitRate(3).per_user(hit, relevant).tolist() == [1]
    assert HitRate(2).per_user(hit, relevant).tolist() == [0]


def test_a_list_that_is_shorter_than_k() -> None:
    """Of five relevant movies only three can be hit; of four two of three."""
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, 6))
    assert Ndcg(10).per_user(HIT[3:], np.array([5])).tolist() == [pytest.approx((1 + SECOND + THIRD) / ideal)]
    assert Recall(10).per_user(HIT[3:], np.array([5])).tolist() == [pytest.approx(3 / 5)]
    assert Recall(3).per_user(HIT[:1], np.array([4])).tolist() == [pytest.approx(2 / 3)]
    assert Mrr(10).per_user(HIT[1:2], np.array([1])).tolist() == [1 / 2]
    assert HitRate(10).per_user(HIT[:3], np.array([2, 1, 3])).tolist() == [1, 1, 0]


@every_metric
def test_figures_are_of_users_and_between_no_hit_and_all(name: str) -> None:
    metric = METRICS.get(name)(3)
    assert (metric.k, metric.label) == (3, f"{name}@3")
    found = metric.per_user(np.array([[False] * 3, [True] * 3]), np.array([3, 3]))
    assert found.tolist() == [0, 1]


@every_metric
def test_a_user_without_relevant_movies_has_no_figure(name: str) -> None:
    found = METRICS.get(name)(2).per_user(np.array([[False] * 3, [True, False, False]]), np.array([0, 1]))
    assert np.isnan(found).tolist() == [True, False]


cells = st.tuples(st.integers(1, 5), st.integers(1, 7))


@settings(max_examples=80, deadline=None)
@given(shape=cells, n=st.integers(1, 9), data=st.data())
def test_ranking_equals_a_plain_reference(shape: tuple[int, int], n: int, data: st.DataObject) -> None:
    scores = data.draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([-INF, -1.5, 0, 0.25, 2, NAN])))
    kinds = data.draw(hnp.arrays(np.int8, shape, elements=st.integers(0, 2)))  # neither, seen, relevant
    lists = top_n(scores, sparse(kinds == 1), n)
    hit = hits(lists, sparse(kinds == 2))
    relevant = (kinds == 2).sum(axis=1)
    k = data.draw(st.integers(1, n))
    found = [metric.per_user(hit, relevant) for metric in (Recall(k), Ndcg(k), HitRate(k), Mrr(k))]
    for row, (values, kind) in enumerate(zip(scores.tolist(), kinds.tolist(), strict=True)):
        unseen = [movie for movie in range(shape[1]) if kind[movie] != 1]
        unseen.sort(key=lambda movie: (-values[movie] if values[movie] > -INF else INF, movie))
        expected = [*unseen, *[-1] * shape[1]][: min(n, shape[1])]
        assert lists[row].tolist() == expected
        gains = [1 / math.log2(rank + 2) for rank, movie in enumerate(expected[:k]) if movie >= 0 and kind[movie] == 2]
        wanted = kind.count(2)
        if wanted:
            perfect = sum(1 / math.log2(rank + 2) for rank in range(min(wanted, k)))
            assert found[0][row] == pytest.approx(len(gains) / min(k, wanted))
            assert found[1][row] == pytest.approx(sum(gains) / perfect)
            ranks = [rank for rank, movie in enumerate(expected[:k], 1) if movie >= 0 and kind[movie] == 2]
            assert found[2][row] == bool(ranks)
            assert found[3][row] == (1 / ranks[0] if ranks else 0)
        else:
            assert np.isnan([figure[row] for figure in found]).all()


def test_the_bias_predictor_by_hand() -> None:
    # training: movie 0 rated 4 and 5, movie 1 rated 2, movie 2 never: mean 11 / 3
    sums, counts = np.array([9.0, 2.0, 0.0]), np.array([2.0, 1.0, 0.0])
    mean, movie_bias, user_bias = bias_predictions(sparse(np.array([[5, 0, 0], [0, 1, 3]])), sums, counts)
    assert mean == pytest.approx(11 / 3)
    first, second = (9 - 2 * 11 / 3) / 27, (2 - 11 / 3) / 26
    assert movie_bias.tolist() == pytest.approx([first, second, 0.0])
    alone = (5 - 11 / 3 - first) / 11
    both = ((1 - 11 / 3 - second) + (3 - 11 / 3)) / 12
    assert user_bias.tolist() == pytest.approx([alone, both])


def test_the_bias_predictor_without_damping_on_additive_data() -> None:
    # ratings that are exactly mean + movie + user are found again where every user rated every movie
    movies, users = np.array([-1.0, 0.5, 0.5, 0.0]), np.array([0.25, -0.75, 0.5])
    dense = 3.0 + users[:, None] + movies[None, :]
    mean, movie_bias, user_bias = bias_predictions(sparse(dense), dense.sum(axis=0), np.full(4, 3.0), (0.0, 0.0))
    np.testing.assert_allclose(mean + user_bias[:, None] + movie_bias[None, :], dense, atol=1e-6)


def test_nothing_rated_has_bias_nothing() -> None:
    nothing = sparse(np.zeros((2, 3)))
    mean, movie_bias, user_bias = bias_predictions(nothing, np.zeros(3), np.zeros(3))
    assert (mean, movie_bias.tolist(), user_bias.tolist()) == (0.0, [0.0] * 3, [0.0] * 2)
