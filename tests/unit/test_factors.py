"""A model of movies' arrays as factors: users' scores from them, and new users fitted to their ratings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ratings import RATINGS, block_of, sparse

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import VALIDATION
from recsys.errors import UserError
from recsys.evaluation.fold_in import NOISES, squared_errors
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn
from recsys.recommend.saved import load_recommender, save_fold_in, save_items

AS_THEY_ARE = Preprocessing(0.5, 1.0)  # divides by 1

# two users with the weights 1 and 3 (mean 2, variance 1) and no bias; three movies with the codes 1, 2 and -1
ONE_WIDE = Factors(
    np.array([[1], [2], [-1]], np.float32),
    np.array([0.5, 0, 0.1], np.float32),
    np.array([[1], [3]], np.float32),
    np.zeros(2, np.float32),
    noise=1.0,
)


def factors(users: int = 9, movies: int = 7, k: int = 3, seed: int = 1) -> Factors:
    rng = np.random.default_rng(seed)
    shapes = (movies, k), (movies,), (users, k), (users,)
    codes, offsets, kernel, bias = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return Factors(codes, offsets, kernel, bias)


def scores(one: Factors, arrays: np.ndarray) -> np.ndarray:
    """Of users by their rating arrays, fitted to them."""
    return FoldIn.of(one, AS_THEY_ARE).score(sparse(arrays))


def test_scores_by_hand() -> None:
    codes, offsets = np.array([[1, 0], [2, 1], [0, -1]], np.float32), np.array([0.5, 0, -0.5], np.float32)
    kernel, bias = np.array([[1, 2], [0, 1], [3, 0], [1, 1]], np.float32), np.array([0, 0.25, 1, -1], np.float32)
    found = Factors(codes, offsets, kernel, bias).scores(np.array([3, 1]))
    assert found.tolist() == [[0.5, 2.0, -2.5], [0.75, 1.25, -1.25]]
    assert found.dtype == np.float32


def test_a_user_without_ratings_is_the_mean_user() -> None:
    found = scores(ONE_WIDE, np.zeros((1, 3), np.float32))
    np.testing.assert_allclose(found, [[2.5, 4.0, -1.9]], rtol=1e-6)
    assert found.dtype == np.float32


def test_fold_in_by_hand() -> None:
    arrays = np.array([[3.5, 0, 0], [3.5, 3.0, 0]], np.float32)
    # first: the mean user gives 2.5; w = 1 * 1 / (1 + 1) more than the mean. Second: (1 * 1 - 2 * 1) / (1 + 4 + 1)
    expected = [[2.5 + 0.5, 4 + 1.0, -1.9 - 0.5], [2.5 - 1 / 6, 4 - 2 / 6, -1.9 + 1 / 6]]
    np.testing.assert_allclose(scores(ONE_WIDE, arrays), expected, rtol=1e-6)
    # half the noise, more faith in the one rating: 1 / (1 + 0.5)
    np.testing.assert_allclose(scores(replace(ONE_WIDE, noise=0.5), arrays[:1])[0, 0], 2.5 + 2 / 3, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), rated=st.integers(1, 7), noise=st.floats(0.01, 10))
def test_fold_in_is_the_ridge_regression_that_it_says(seed: int, rated: int, noise: float) -> None:
    """Fewer ratings than weights and more: both ways to solve it, beside the normal equations of eq. 3.53."""
    one, rng = factors(seed=seed), np.random.default_rng(seed)
    array = np.zeros(7)
    array[rng.permutation(7)[:rated]] = rng.uniform(0.1, 1, rated)
    weights = np.column_stack([one.kernel, one.bias]).astype(float)
    precision = np.linalg.inv(np.cov(weights.T, bias=True))
    codes = np.column_stack([one.codes, np.ones(7)]).astype(float)
    seen = codes[array > 0]
    right = precision @ weights.mean(axis=0) + seen.T @ (array - one.offsets)[array > 0] / noise
    expected = codes @ np.linalg.solve(precision + seen.T @ seen / noise, right) + one.offsets
    found = scores(replace(one, noise=noise), array[None])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_users_of_the_model_come_out_as_they_are_where_all_is_rated_without_noise() -> None:
    one = factors(movies=11)
    known = one.scores(np.arange(9))
    assert (known < 0).any()  # scores of any size; the scale of the fold-in cuts nothing off
    np.testing.assert_allclose(scores(replace(one, noise=1e-9), known), known, rtol=1e-3, atol=1e-3)
    assert scores(one, np.zeros((0, 11), np.float32)).shape == (0, 11)


def test_scores_in_blocks_of_movies_are_the_scores() -> None:
    fold_in = FoldIn.of(factors(movies=11), AS_THEY_ARE)
    arrays = sparse(factors(movies=11).scores(np.arange(4)))
    assert fold_in.in_blocks
    pieces = list(fold_in.score_blocks(arrays, 4))
    assert [start for start, _ in pieces] == [0, 4, 8]
    found = np.concatenate([piece for _, piece in pieces], axis=1)
    np.testing.assert_allclose(found, fold_in.score(arrays), rtol=1e-4, atol=1e-5)


def test_the_noise_is_judged_by_validation_ratings() -> None:
    """Users with the weights 1 and 3 again; codes 1, 2, -1: by hand for each noise."""
    config = build_config(
        {"seed": 1, "data": {"dataset": "ml-1m", "split": "rating", "test_fraction": 0.1, "validation_fraction": 0.5}}
    )
    examples, block = Examples.of(config, 3, Preprocessing(0.5, 5.0)), block_of(RATINGS[:, [0, 2, 5]])
    shown, held = (part.toarray() / 5 for part in examples.arrays(block, VALIDATION))
    # of the two users with something held out one has a rating to be fitted to, the other is the mean user
    assert (np.count_nonzero(held, axis=1).tolist(), np.count_nonzero(shown, axis=1).tolist()) == (
        [2, 0, 1, 0, 0],
        [0, 0, 1, 1, 2],
    )
    expected, mean, codes = np.zeros(len(NOISES)), np.array([2.5, 4, -1.9]), np.array([1, 2, -1])
    for known, truth in zip(shown, held, strict=True):
        seen, asked = known > 0, truth > 0
        for place, noise in enumerate(NOISES):
            weight = (codes * (known - mean))[seen].sum() / (np.square(codes[seen]).sum() + noise)
            expected[place] += np.square(mean + weight * codes - truth)[asked].sum()
    np.testing.assert_allclose(squared_errors(FoldIn.of(ONE_WIDE, AS_THEY_ARE), block, examples), expected, rtol=1e-5)


IDS = [2, 3, 5, 8, 13, 21, 34]


def saved(folder: Path) -> FoldIn:
    """A model of 7 movies over 5 users with random weights, saved as a run saves it; what scores users by it."""
    rng, preprocessing = np.random.default_rng(2), Preprocessing(0.5, 5.0)
    titles, years = [f"Movie {one}" for one in IDS], pd.array([None] * 7, "Int32")
    items = pd.DataFrame(
        {"index": np.arange(7, dtype=np.int32), "movie_id": IDS, "title": titles, "year": years, "popularity": 2}
    )
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((5, 4), (4,), (4, 5), (5,))]
    config = DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation="center")
    model = DenoisingAutoencoder(config, preprocessing, 5, weights)
    save_items(folder, items, preprocessing, "masked_mse", "movie")
    model.save(folder)
    codes, offsets = rng.normal(size=(7, 4)), rng.uniform(0.2, 1, 7)
    kernel, bias = model.scorer().output_layer()
    one = Factors(codes.astype(np.float32), offsets.astype(np.float32), kernel.T, bias, noise=0.25)
    fold_in = FoldIn.of(one, preprocessing)
    save_fold_in(folder, model, fold_in)
    return fold_in


def test_a_saved_model_of_movies_arrays_serves_users_it_never_saw(tmp_path: Path) -> None:
    one = saved(tmp_path)
    names = ["fold_in", "items.parquet", "model.keras", "preprocessing.json", "scorer"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    traits = np.load(tmp_path / "fold_in" / "scorer" / "traits.npy", allow_pickle=False)
    assert traits.shape == (7, 4)  # five users have four directions at most
    recommender = load_recommender(tmp_path)
    assert recommender.predicts_ratings
    scores = recommender.score(sparse(RATINGS))
    assert (scores.shape, scores.dtype) == ((5, 7), np.float32)
    np.testing.assert_array_equal(scores, one.score(sparse(RATINGS)))
    np.testing.assert_allclose(recommender.predict(sparse(RATINGS)), np.clip(5 * scores, 0.5, 5), rtol=1e-5)
    best = recommender.recommend({8: 4.0, 2: 1.0}, 10)
    assert {movie["movie_id"] for movie in best} == set(IDS) - {8, 2}
    assert [movie["score"] for movie in best] == sorted((movie["score"] for movie in best), reverse=True)


def test_a_model_whose_training_was_cut_off_says_what_is_missing(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "fold_in").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="fold_in missing, which is written when the training has ended"):
        load_recommender(tmp_path)
