"""What users would pick instead, worked by hand on a few likes and ratings, and the table that they stand in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from _alternatives import best_of, biases, cosine, linear, nearest, neighbours, popularity, rating_neighbours
from _splits import ranking_figures, rating_figures, splits_of
from _table import mean_and_error, mean_ratio, table
from scales import DENSE, STARS, Map, block_on, every_scale, examples_of, scale_of
from scales import USERS as SCALE_USERS
from small_ratings import RATINGS, block_of, sparse

from recsys.config import Config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION

# 4 users x 3 movies
LIKES = sparse(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 0]], np.float32))
SHOWN = sparse(np.array([[1, 0, 0], [0, 0, 1]], np.float32))


def test_popularity_counts_users_whatever_is_shown() -> None:
    np.testing.assert_array_equal(popularity(LIKES)(SHOWN), [[3, 3, 1], [3, 3, 1]])


def test_biases_by_hand() -> None:
    # training: movie 0 rated 5 and 3, movie 1 rated 1; mean 3; b0 = 2/(25+2) = 2/27 of (2 + 0), b1 = -2/26
    train = sparse(np.array([[5, 0, 0], [3, 1, 0]], np.float32))
    shown = sparse(np.array([[0, 0, 4], [5, 0, 0]], np.float32))
    b = np.array([2 / 27, -2 / 26, 0])
    users = np.array([(4 - 3 - 0) / 11, (5 - 3 - 2 / 27) / 11])
    np.testing.assert_allclose(biases(train)(shown), 3 + b[None, :] + users[:, None], rtol=1e-6)


def test_the_linear_models_scores_by_hand() -> None:
    # G = [[3, 2], [2, 3]], l2 = 1: each movie from the other is 2 / (3 + 1)
    train = sparse(np.array([[1, 1], [1, 0], [0, 1], [1, 1]], np.float32))
    np.testing.assert_allclose(linear(train, 1.0)(sparse(np.array([[1, 0]], np.float32))), [[0, 0.5]], rtol=1e-6)


def test_cosines_with_shrinkage_by_hand() -> None:
    # counts 3, 3, 1; together 0-1: 2, 1-2: 1, 0-2: 0
    root = math.sqrt(3)
    expected = [[0, 2 / (3 + 1), 0], [2 / (3 + 1), 0, 1 / (root + 1)], [0, 1 / (root + 1), 0]]
    np.testing.assert_allclose(cosine(LIKES, 1.0), expected)
    assert (cosine(sparse(np.zeros((2, 3))), 0.0) == 0).all()


def test_only_the_nearest_of_each_column_stay_and_of_equal_ones_the_first() -> None:
    similarity = np.array([[0.0, 0.5, 0.2], [0.5, 0.0, 0.2], [0.1, 0.4, 0.0]])
    np.testing.assert_array_equal(nearest(similarity, 1), [[0.0, 0.5, 0.2], [0.5, 0.0, 0.0], [0.0] * 3])
    np.testing.assert_array_equal(nearest(similarity, 9), similarity)


def test_neighbours_sum_what_the_user_likes() -> None:
    root = math.sqrt(3)
    np.testing.assert_allclose(
        neighbours(LIKES, 2, 1.0)(SHOWN), [[0.0, 0.5, 0.0], [0.0, 1 / (root + 1), 0.0]], rtol=1e-6
    )
    # of movie 1's neighbours the nearest stays, movie 0 at 2 / 3; movie 2 at 1 / sqrt(3) does not
    found = neighbours(LIKES, 1, 0.0)(SHOWN)
    np.testing.assert_allclose(found, [[0.0, 2 / 3, 0.0], [0.0] * 3], rtol=1e-6)


def test_rating_neighbours_add_their_differences_to_the_biases() -> None:
    train = sparse(RATINGS)
    base = biases(train)(train)
    difference = np.where(RATINGS > 0, RATINGS - base, 0)
    lengths = np.linalg.norm(difference, axis=0)
    below = np.outer(lengths, lengths)
    similarity = np.divide(difference.T @ difference, below, out=np.zeros((7, 7)), where=below > 0)
    np.fill_diagonal(similarity, 0)
    expected = base.astype(np.float64)
    for user in range(5):
        for movie in range(7):
            near = [
                other for other in np.argsort(-similarity[:, movie], kind="stable")[:2] if similarity[other, movie] > 0
            ]
            rated = [other for other in near if RATINGS[user, other] > 0]
            if rated:
                weights = similarity[rated, movie]
                expected[user, movie] += (weights * difference[user, rated]).sum() / weights.sum()
    np.testing.assert_allclose(rating_neighbours(train, 2, 0.0)(train), expected, rtol=1e-4)


def test_the_best_setting_is_the_first_of_equal_ones() -> None:
    scorers = {one: popularity(sparse(np.eye(one))) for one in (2, 3, 4)}
    quality = {id(scorers[2]): 0.1, id(scorers[3]): 0.3, id(scorers[4]): 0.3}
    assert best_of((2, 3, 4), scorers.__getitem__, lambda one: quality[id(one)]) == (3, scorers[3])
    with pytest.raises(ValueError, match="no settings"):
        best_of((), scorers.__getitem__, lambda one: 0.0)


def test_errors_of_ratings_are_of_those_that_are_predicted() -> None:
    held = sparse(np.array([[5, 0, 2], [0, 1, 0]], np.float32))
    predictions = np.array([[7.0, 9.0, 3.0], [9.0, math.nan, 9.0]])
    found = rating_figures(predictions, held, (1.0, 5.0))  # 7 is clipped to 5; one of three is not predicted
    assert found == pytest.approx({"rmse": math.sqrt(1 / 2), "mae": 1 / 2, "coverage": 2 / 3})
    assert rating_figures(np.full((2, 3), math.nan), held, (1.0, 5.0)) == {"coverage": 0.0}


def test_ranking_figures_by_hand() -> None:
    shown, held = (
        sparse(np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)),
        sparse(np.array([[0, 0, 1, 0], [0, 0, 0, 0]], np.float32)),
    )
    scores = np.array(
        [[9, 3, 2, 1], [1, 2, 3, 4]], np.float32
    )  # of user 0 the second in the list; user 1 has nothing held out
    found = ranking_figures(scores, (shown, held), Config())
    assert found == pytest.approx({"ndcg@100": 1 / math.log2(3), "recall@20": 1, "recall@50": 1})


def test_splits_are_the_projects_own_and_likes_are_ones() -> None:
    examples = Examples(7, Preprocessing(0.5, 5.0, 3.0), False, 1, 0.4, 0.3, 0.2)
    block = block_of()
    splits = splits_of([block.take(np.array([0, 1])), block.take(np.array([2, 3, 4]))], examples)
    rows = {role: RATINGS[examples.rows(block, role)] for role in (TRAIN, VALIDATION, TEST)}
    np.testing.assert_array_equal(splits.train.toarray(), rows[TRAIN] >= 3)
    for (shown, held), role in ((splits.validation, VALIDATION), (splits.test, TEST)):
        np.testing.assert_array_equal((shown + held).toarray(), rows[role] >= 3)
    assert sum(len(one) for one in rows.values()) == 5


@every_scale
def test_alternatives_on_any_scale_are_those_of_stars(other: Map) -> None:
    stars = block_of(DENSE, SCALE_USERS)
    found, expected = (
        splits_of([block], examples_of(scale, "rating"))
        for block, scale in ((block_on(stars, other), scale_of(other)), (stars, STARS))
    )
    assert (found.train.nnz, found.train.indices.tolist()) == (expected.train.nnz, expected.train.indices.tolist())
    np.testing.assert_allclose(expected.train.data, np.rint(expected.train.data), atol=1e-6)  # stars
    for fit in (popularity, biases, lambda one: linear(one, 2.0), lambda one: rating_neighbours(one, 2, 1.0)):
        scores, of_stars = fit(found.train)(found.test[0]), fit(expected.train)(expected.test[0])
        np.testing.assert_allclose(scores, of_stars, rtol=1e-4, atol=1e-5)
        errors = found.rating_figures(scores, found.test[1])
        errors_of_stars = expected.rating_figures(of_stars, expected.test[1])
        assert errors["coverage"] == errors_of_stars["coverage"] == 1
        assert errors["rmse"] == pytest.approx(other[0] * errors_of_stars["rmse"], rel=1e-4)
    plain = rating_figures(biases(expected.train)(expected.test[0]), expected.test[1], (1.0, 5.0))
    again = expected.rating_figures(biases(expected.train)(expected.test[0]), expected.test[1])
    assert again == pytest.approx(plain, rel=1e-5)


def test_mean_and_standard_error_by_hand() -> None:
    assert mean_and_error([1.0, 2.0, 6.0]) == pytest.approx((3.0, math.sqrt(7 / 3)))  # squares 4 + 1 + 9 over 2, over 3
    assert mean_and_error([4.0]) == (4.0, None)


def test_ratios_are_of_the_same_seed() -> None:
    ours, theirs = {1: {"n": 2.0}, 2: {"n": 3.0}, 3: {"n": 9.0}}, {1: {"n": 1.0}, 2: {"n": 3.0}}
    assert mean_ratio(ours, theirs, "n") == pytest.approx(1.5)
    assert mean_ratio(ours, {}, "n") is None


def test_the_table_says_what_is_missing() -> None:
    results: dict[str, dict[int, dict[str, float]]] = {
        "EASE": {1: {"n": 0.4}, 2: {"n": 0.6}}, "ours": {1: {"n": 0.5, "seconds": 12.0}}, "none": {1: {}},
    }  # fmt: skip
    head, ease, ours, none = (line.split("  ") for line in table(results, ["n", "seconds"], "EASE", "n"))
    assert [cell.strip() for cell in head if cell] == ["model", "n", "seconds", "n / EASE"]
    assert [cell.strip() for cell in ease if cell.strip()] == ["EASE", "0.5000 ± 0.1000", "-", "1.000"]
    assert [cell.strip() for cell in ours if cell.strip()] == ["ours", "0.5000", "12.0", "1.250"]
    assert [cell.strip() for cell in none if cell.strip()] == ["none", "-", "-", "-"]
