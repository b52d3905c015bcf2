"""A rating of 0, or below, is a rating in evaluation, lists, recommendations and fold-in: as the stars 1 to 5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scales import (
    DENSE,
    MOVIES,
    STARS,
    USERS,
    Map,
    block_on,
    every_scale,
    examples_of,
    mapped,
    scale_of,
    scorer_of,
    settings_of,
)
from scipy.sparse import csr_matrix
from small_ratings import block_of, sparse

from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.evaluation.baselines import bias_predictions
from recsys.evaluation.evaluate import MODEL
from recsys.evaluation.fold_in import squared_errors
from recsys.evaluation.measure import Sums, measure_ranking, measure_ratings
from recsys.evaluation.topk import best_first, best_of_blocks, first_unseen, top_n
from recsys.losses.base import rows_of
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn
from recsys.recommend.batch import Ranker, movie_index
from recsys.recommend.items import Items
from recsys.recommend.recommender import Recommender


@every_scale
def test_rating_errors_grow_with_the_scale_and_baselines_too(other: Map) -> None:
    """All figures but the number of ratings are times the slope; the model's guesses are clipped to the scale."""
    slope = other[0]
    held = sparse(np.where(np.arange(MOVIES) % 2 == 0, DENSE, 0))
    shown = sparse(np.where(np.arange(MOVIES) % 2 == 1, DENSE, 0))
    output = np.random.default_rng(1).normal(0.6, 0.6, DENSE.shape).astype(np.float32)
    assert (output < 0.2).any() and (output > 1).any()
    counts = np.bincount(shown.indices, minlength=MOVIES).astype(np.float64)

    def figures(scale: Preprocessing, shown: csr_matrix, held: csr_matrix) -> Sums:
        sums, movie_sums = Sums(), np.bincount(shown.indices, shown.data, MOVIES)
        predicted = {MODEL: scale.to_ratings(output)[rows_of(held), held.indices]}
        measure_ratings(sums, predicted, shown, held, movie_sums, counts, examples_of(scale))
        return sums

    expected = figures(STARS, shown, held)
    found = figures(scale_of(other), mapped(shown, other), mapped(held, other))
    for name in (MODEL, "global_mean", "movie_mean", "user_movie_bias"):
        for error, factor in (("squared_error", slope**2), ("absolute_error", slope)):
            one, of_stars = found.mean(f"{name}/{error}"), expected.mean(f"{name}/{error}")
            assert one["count"] == of_stars["count"] == held.nnz
            assert one["mean"] == pytest.approx(factor * of_stars["mean"], rel=1e-5)  # type: ignore[operator]
    biases = bias_predictions(
        mapped(shown, other), np.bincount(shown.indices, mapped(shown, other).data, MOVIES), counts
    )
    of_stars_biases = bias_predictions(shown, np.bincount(shown.indices, shown.data, MOVIES), counts)
    assert biases[0] == pytest.approx(slope * of_stars_biases[0] + other[1])
    np.testing.assert_allclose(biases[1], slope * of_stars_biases[1], atol=1e-9)
    np.testing.assert_allclose(biases[2], slope * of_stars_biases[2], atol=1e-9)


@every_scale
def test_lists_leave_out_what_was_rated_0(other: Map) -> None:
    seen = sparse(DENSE)
    scores = np.random.default_rng(2).normal(size=DENSE.shape).astype(np.float32)
    expected = top_n(scores, seen, 4)
    np.testing.assert_array_equal(top_n(scores, mapped(seen, other), 4), expected)
    np.testing.assert_array_equal(best_of_blocks(iter([(0, scores.copy())]), mapped(seen, other), 4)[0], expected)
    order = best_first(np.arange(MOVIES))
    np.testing.assert_array_equal(first_unseen(order, mapped(seen, other), 4), first_unseen(order, seen, 4))


@every_scale
@pytest.mark.parametrize("relevant_from", [None, 3.0])
def test_what_was_rated_0_may_be_a_hit(other: Map, relevant_from: float | None) -> None:
    held = sparse(np.where(np.arange(MOVIES) % 2 == 0, DENSE, 0))
    shown = sparse(np.where(np.arange(MOVIES) % 2 == 1, DENSE, 0))
    scores = np.random.default_rng(3).normal(size=DENSE.shape).astype(np.float32)

    def figures(shown: csr_matrix, held: csr_matrix, threshold: float | None) -> dict[str, list[float]]:
        sums = Sums()
        config = settings_of(evaluation={"recall_at": [2], "ndcg_at": 3})
        evaluation = config.evaluation.model_copy(update={"relevant_from": threshold})
        measure_ranking(sums, MODEL, scores, shown, held, config.model_copy(update={"evaluation": evaluation}))
        return {name: values.tolist() for name, values in sums.values.items()}

    threshold = None if relevant_from is None else other[0] * relevant_from + other[1]
    expected = figures(shown, held, relevant_from)
    assert figures(mapped(shown, other), mapped(held, other), threshold) == expected
    assert expected["model/ndcg@3"][0] > 1


IDS = list("abcdef")
ITEMS = Items.of(
    pd.DataFrame({"index": range(MOVIES), "movie_id": IDS, "title": IDS, "year": [1990] * MOVIES, "popularity": 1})
)


def recommender_on(scale: Preprocessing, loss: str = "masked_mse") -> Recommender:
    return Recommender(scorer_of(scale), ITEMS, loss)


def users(matrix: csr_matrix) -> Iterator[dict[str, float]]:
    for row in matrix:
        yield {IDS[movie]: float(rating) for movie, rating in zip(row.indices, row.data, strict=True)}


@every_scale
def test_a_recommender_takes_ratings_of_0(other: Map) -> None:
    one, of_stars = recommender_on(scale_of(other)), recommender_on(STARS)
    stars = sparse(DENSE)
    scores = one.score(mapped(stars, other))
    np.testing.assert_allclose(scores, of_stars.score(stars), rtol=1e-4, atol=1e-5)
    expected = other[0] * of_stars.predict(stars) + other[1]
    np.testing.assert_allclose(one.predict(mapped(stars, other)), expected, rtol=1e-4, atol=1e-4)
    for rated, rated_stars in zip(users(mapped(stars, other)), users(stars), strict=True):
        assert one.matrix(rated).nnz == len(rated)
        best, best_of_stars = one.recommend(rated, 6), of_stars.recommend(rated_stars, 6)
        assert [movie["movie_id"] for movie in best] == [movie["movie_id"] for movie in best_of_stars]
        assert {movie["movie_id"] for movie in best} == set(IDS) - set(rated)


def test_one_rating_of_0_by_hand() -> None:
    one = recommender_on(Preprocessing(0, 10))
    matrix = one.matrix({"b": 0})
    assert (matrix.indices.tolist(), matrix.data.tolist()) == ([1], [0.0])
    assert len(one.recommend({"b": 0}, 6)) == 5
    nothing = one.score(csr_matrix((1, MOVIES), dtype=np.float32))
    assert np.abs(one.score(matrix) - nothing).max() > 0.1
    with pytest.raises(UserError, match="off the scale of 0 to 10"):
        one.recommend({"b": -1}, 6)


def test_a_dense_array_is_refused_where_0_is_a_rating() -> None:
    with pytest.raises(UserError, match=r"cannot tell a rating of 0 from none, on a scale of -10 to 10: give a scipy"):
        recommender_on(Preprocessing(-10, 10)).score(DENSE)
    assert recommender_on(STARS).score(DENSE).shape == DENSE.shape


@pytest.mark.parametrize("rating", [None, "5", [1]])
def test_what_is_no_number_is_no_rating(rating: Any) -> None:
    with pytest.raises(UserError, match="of movie 'b' is no number"):
        recommender_on(STARS).recommend({"b": rating}, 2)


def test_likes_and_counts_are_asked_for_as_such() -> None:
    likes = recommender_on(Preprocessing(1, 1, feedback="likes"), "multinomial")
    assert len(likes.recommend({"a": 1, "b": True}, 6)) == 4
    with pytest.raises(UserError, match="the model is of likes: give 1 for each movie liked"):
        likes.recommend({"a": 0}, 2)
    counts = recommender_on(Preprocessing(1, 50, feedback="counts", weights="log"), "multinomial")
    assert len(counts.recommend({"a": 900, "b": 0.5}, 6)) == 4  # more than any user of the data
    for count in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="the model is of counts: give a number above 0"):
            counts.recommend({"a": count}, 2)
    for one in (likes, counts):
        assert not Recommender(one.scorer, ITEMS, "mse").predicts_ratings


@every_scale
@pytest.mark.parametrize("known", [IDS, [*IDS[3:], "z", *IDS[:2]]])
def test_the_lists_of_all_users_leave_out_what_was_rated_0(other: Map, known: list[str]) -> None:
    index = movie_index(np.array(IDS, object), np.array(known, object))
    dense = DENSE[:, : len(known)]
    stars = block_of(dense, USERS)
    lists = []
    for block, scale in ((stars, STARS), (block_on(stars, other), scale_of(other))):
        ranker = Ranker(scorer_of(scale), np.array(IDS, object), index, 4)
        lists.append([record.drop_columns(["score"]).to_pylist() for record in ranker.rank(block)])
    assert lists[0] == lists[1] and len(lists[0][0]) > 5


@every_scale
def test_users_are_folded_in_by_ratings_of_0(other: Map) -> None:
    draw = np.random.default_rng(6)
    shapes = (MOVIES, 2), (MOVIES,), (9, 2), (9,)
    codes, offsets, kernel, bias = (draw.normal(size=shape).astype(np.float32) for shape in shapes)
    factors = Factors(codes, offsets, kernel, bias)
    stars = sparse(DENSE)
    one, of_stars = (FoldIn.of(factors, scale) for scale in (scale_of(other), STARS))
    expected = of_stars.score(stars)
    np.testing.assert_allclose(one.score(mapped(stars, other)), expected, rtol=1e-4, atol=1e-5)
    pieces = [piece for _, piece in one.score_blocks(mapped(stars, other), 4)]
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), expected, rtol=1e-3, atol=1e-4)
    block = block_of(DENSE, USERS)
    errors = squared_errors(one, block_on(block, other), examples_of(scale_of(other), "rating"))
    np.testing.assert_allclose(errors, squared_errors(of_stars, block, examples_of(STARS, "rating")), rtol=1e-4)
