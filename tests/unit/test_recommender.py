"""A saved model: written, loaded without Spark, scoring, predicting and recommending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from small_ratings import RATINGS, sparse

import recsys
from recsys.checksums import read_sealed, write_sealed
from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.base import Scorer
from recsys.recommend.items import Items
from recsys.recommend.recommender import Recommender
from recsys.recommend.sample import recommendation, render
from recsys.recommend.saved import load_recommender, save_items

IDS = [2, 3, 5, 8, 13, 21, 34]
TITLES = [f"Movie {one} ({1990 + one})" for one in IDS]


def items(ids: list[Any] = IDS) -> pd.DataFrame:
    years = pd.array([1990 + one for one in IDS[:-1]] + [None], "Int32")
    return pd.DataFrame(
        {"index": np.arange(7, dtype=np.int32), "movie_id": ids, "title": TITLES, "year": years, "popularity": 7}
    )


def saved(
    folder: Path, loss: str = "masked_mse", positive_from: float | None = None, ids: list[Any] = IDS
) -> tuple[Any, Recommender]:
    preprocessing, draw = Preprocessing(0.5, 5.0, positive_from), np.random.default_rng(3)
    weights = [draw.normal(size=shape).astype(np.float32) for shape in ((7, 4), (4,), (4, 7), (7,))]
    model = DenoisingAutoencoder(DaeConfig(hidden=(4,), loss=loss), preprocessing, 7, weights)
    save_items(folder, items(ids), preprocessing, loss)
    model.save(folder)
    return model.keras_model(), load_recommender(folder)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Recommender]:
    return saved(tmp_path_factory.mktemp("model"))


class Fixed(Scorer):
    """Gives everybody the same scores."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing, self.columns = preprocessing, len(OUTPUTS)

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return np.tile(np.array(OUTPUTS, np.float32), (ratings.shape[0], 1))


OUTPUTS = [0.9, 0.05, 0.5, 1.4, 0.7, -0.2, 0.7]


def fixed(loss: str = "masked_mse", positive_from: float | None = None, ids: list[Any] = IDS) -> Recommender:
    return Recommender(Fixed(Preprocessing(0.5, 5.0, positive_from)), Items.of(items(ids)), loss)


def test_a_model_is_saved_with_what_it_needs(tmp_path: Path) -> None:
    saved(tmp_path / "run" / "model", positive_from=4.0)
    folder = tmp_path / "run" / "model"
    assert sorted(path.name for path in folder.iterdir()) == [
        "items.parquet",
        "model.keras",
        "preprocessing.json",
        "scorer",
    ]
    names = [f"{number:03d}.npy" for number in range(4)]
    assert sorted(path.name for path in (folder / "scorer").iterdir()) == [*names, "scorer.json"]
    assert list(pd.read_parquet(folder / "items.parquet")) == ["index", "movie_id", "title", "year", "popularity"]
    described = read_sealed(folder / "preprocessing.json")
    assert list(described.pop("sha256")) == ["items.parquet"]
    assert described == {
        "format_version": 3, "loss": "masked_mse", "orientation": "user",
        "rating_min": 0.5, "rating_max": 5.0, "positive_from": 4.0, "lowest": None,
        "feedback": "ratings", "weights": "none", "weight_power": 0.5,
    }  # fmt: skip
    assert recsys.load_recommender(tmp_path / "run").items.tolist() == IDS


def test_scores_are_the_models_outputs(both: tuple[Any, Recommender]) -> None:
    model, recommender = both
    scores = recommender.score(sparse(RATINGS))
    assert (scores.shape, scores.dtype) == ((5, 7), np.float32)
    np.testing.assert_allclose(scores, model(RATINGS / 5).numpy(), rtol=1e-5, atol=1e-6)


def test_scores_of_any_numbers_and_of_many_users(both: tuple[Any, Recommender]) -> None:
    _, recommender = both
    whole = csr_matrix(np.rint(RATINGS).astype(np.int64))
    np.testing.assert_allclose(recommender.score(whole), recommender.score(sparse(np.rint(RATINGS))), rtol=1e-5)
    many = recommender.score(sparse(np.tile(RATINGS, (300, 1))))  # more than one batch
    np.testing.assert_allclose(many, np.tile(recommender.score(sparse(RATINGS)), (300, 1)), rtol=1e-4, atol=1e-6)
    assert recommender.score(sparse(np.zeros((0, 7)))).shape == (0, 7)


def test_the_matrix_must_have_the_models_movies(both: tuple[Any, Recommender]) -> None:
    with pytest.raises(UserError, match="ratings have 5 columns, the model has 7 movies"):
        both[1].score(sparse(RATINGS.T))


def test_predictions_are_clipped_to_the_scale() -> None:
    predicted = fixed().predict(sparse(RATINGS))
    assert (predicted.shape, predicted.dtype) == ((5, 7), np.float32)
    assert predicted[2].tolist() == pytest.approx([4.5, 0.5, 2.5, 5.0, 3.5, 0.5, 3.5])
    assert fixed().to_rating(0.5) == 2.5


@pytest.mark.parametrize(("loss", "positive_from"), [("multinomial", None), ("mse", 4.0)])
def test_a_model_that_ranks_predicts_no_ratings(loss: str, positive_from: float | None) -> None:
    recommender = fixed(loss, positive_from)
    assert not recommender.predicts_ratings
    with pytest.raises(UserError, match="predicts no ratings"):
        recommender.predict(sparse(RATINGS))


def test_likes_alone_enter_a_model_of_likes(tmp_path: Path) -> None:
    model, recommender = saved(tmp_path, "multinomial", 4.0)
    expected = model((RATINGS >= 4).astype(np.float32)).numpy()
    np.testing.assert_allclose(recommender.score(sparse(RATINGS)), expected, rtol=1e-5, atol=1e-6)


def test_the_best_unseen_movies_are_recommended() -> None:
    best = fixed().recommend({8: 4.0, 2: 1.0}, 3)
    assert [movie["movie_id"] for movie in best] == [13, 34, 5]  # equal scores by their order
    assert best[0] == {"movie_id": 13, "title": "Movie 13 (2003)", "year": 2003, "score": pytest.approx(0.7)}
    assert best[1]["year"] is None
    assert all(type(movie["movie_id"]) is int for movie in best)
    json.dumps(best)


def test_there_are_no_more_recommendations_than_unseen_movies() -> None:
    seen = dict.fromkeys([2, 5, 8, 13, 21], 3.0)
    assert [movie["movie_id"] for movie in fixed().recommend(seen, 10)] == [34, 3]
    assert fixed().recommend(dict.fromkeys(IDS, 3.0), 10) == []
    assert len(fixed().recommend({}, 10)) == 7
    with pytest.raises(UserError, match="n = 0: at least 1 movie"):
        fixed().recommend({2: 3.0}, 0)


def test_a_movie_that_was_not_liked_is_not_recommended_either() -> None:
    best = fixed("multinomial", positive_from=4.0).recommend({8: 1.0}, 1)
    assert best[0]["movie_id"] == 2


def test_unknown_movies_and_impossible_ratings_are_refused() -> None:
    with pytest.raises(UserError, match="movie 4 is not among the 7 movies of this model"):
        fixed().recommend({2: 3.0, 4: 3.0})
    with pytest.raises(UserError, match="movie '2' is not among"):
        fixed().recommend({"2": 3.0})
    for rating in (0.0, 5.5, float("nan")):
        with pytest.raises(UserError, match=r"of movie 2 is off the scale of 0\.5 to 5"):
            fixed().recommend({2: rating})


def test_ids_may_be_text_or_numpys() -> None:
    ids: list[Any] = [f"m{one}" for one in IDS]
    assert [movie["movie_id"] for movie in fixed(ids=ids).recommend({"m8": 4.0}, 2)] == ["m2", "m13"]
    assert fixed().recommend({np.int64(8): 4.0}, 1)[0]["movie_id"] == 2


def test_text_ids_come_back_from_disk(tmp_path: Path) -> None:
    ids = [f"m{one}" for one in IDS]
    _, recommender = saved(tmp_path, ids=ids)
    assert recommender.items.tolist() == ids
    assert {movie["movie_id"] for movie in recommender.recommend({"m8": 4.0}, 6)} == set(ids) - {"m8"}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no saved model \(items\.parquet, preprocessing\.json missing\)"):
        load_recommender(tmp_path)
    saved(tmp_path)
    (tmp_path / "items.parquet").unlink()
    with pytest.raises(UserError, match=r"no saved model \(items\.parquet missing\): give a run directory of train"):
        load_recommender(tmp_path)


@pytest.mark.parametrize("version", [1, 2, 99])
def test_a_model_of_another_version_is_refused(tmp_path: Path, version: int) -> None:
    saved(tmp_path)
    path = tmp_path / "preprocessing.json"
    described = {**read_sealed(path), "format_version": version}
    if version == 1:  # which had no checksums
        del described["orientation"], described["sha256"]
        path.write_text(json.dumps(described))
    else:
        write_sealed(path, described)
    with pytest.raises(UserError, match=rf"saved by another version of howdah \(format {version}\): train again"):
        load_recommender(tmp_path)


def test_a_model_that_others_can_read_is_not_needed(both: tuple[Any, Recommender], tmp_path: Path) -> None:
    _, recommender = saved(tmp_path)
    (tmp_path / "model.keras").unlink()
    scores = load_recommender(tmp_path).score(sparse(RATINGS))
    np.testing.assert_array_equal(scores, both[1].score(sparse(RATINGS)))
    np.testing.assert_array_equal(scores, recommender.score(sparse(RATINGS)))


def test_what_recommendations_json_says() -> None:
    found = recommendation(fixed(), 42, {5: 2.0, 8: 4.0, 2: 3.0}, 2)
    assert found["user"] == 42
    assert [(movie["movie_id"], movie["rating"]) for movie in found["rated"]] == [(8, 4.0), (2, 3.0), (5, 2.0)]
    assert [(movie["rank"], movie["movie_id"]) for movie in found["recommended"]] == [(1, 13), (2, 34)]
    assert [movie["predicted_rating"] for movie in found["recommended"]] == pytest.approx([3.5, 3.5])
    assert "predicted_rating" not in recommendation(fixed("multinomial"), 42, {5: 2.0}, 1)["recommended"][0]
    json.dumps(found)


def test_what_the_screen_says() -> None:
    lines = render(recommendation(fixed(), 42, {5: 2.0, 8: 4.0, 2: 3.0}, 2), shown=2).split("\n")
    assert lines[0] == "user 42 rated 3 movies, the 2 best:"
    assert [line.split() for line in lines[1:3]] == [["4", "Movie", "8", "(1998)"], ["3", "Movie", "2", "(1992)"]]
    assert lines[3] == "recommended to user 42:"
    assert lines[4].split() == ["1.", "3.50", "Movie", "13", "(2003)"]
    assert render(recommendation(fixed(), None, {5: 2.0}, 1)).startswith("you rated 1 movies:")
