"""Every registered family on other scales than stars, on likes and on counts: the same models, or those asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds import EXAMPLE, KINDS, OF_STARS, SMALL, all_ratings, every_kind, tastes
from pyspark.sql import SparkSession

import recsys
from recsys.arranged import arrange
from recsys.config.feedback import uses_weights
from recsys.config.load import load_config
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN, VALIDATION
from recsys.errors import ConfigError, UserError
from recsys.registries import loss_named

Map = tuple[float, float]  # slope and shift
STARS: Map = (1.0, 0.0)
SCALES: dict[str, Map] = {"-10 to 10": (5.0, -15.0), "0 to 4": (1.0, -1.0)}
MASKED = ["model.loss=masked_mse", "model.hidden=[8]", "model.input_dropout=0.2"]
BY_RATING = {"split": "rating"}
# kind, settings, data: every family as its contract's tests train it, and what predicts ratings
CASES: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    **{kind.rsplit(":", 1)[-1]: (kind, SMALL.get(kind, []), {}) for kind in KINDS},
    "the paper's": ("dae", ["model.hidden=[8]"], {}),
    "ratings": ("dae", [*MASKED, "model.input_normalisation=center"], BY_RATING),
    "movies' arrays": ("dae", MASKED, {**BY_RATING, "orientation": "movie"}),
    "keras' ratings": ("keras", ["model.function=small_keras:build", "model.loss=masked_mse"], BY_RATING),
}
every_case = pytest.mark.parametrize("case", CASES)
every_scale = pytest.mark.parametrize("other", SCALES.values(), ids=SCALES)


def settings(kind: str, *more: str) -> recsys.Config:
    common = ["training.epochs=2", "training.batch_size=16", "training.learning_rate=0.01"]
    if kind in OF_STARS:
        common = ["training.epochs=2"]
    return load_config(assignments=[f"model.kind={kind!r}", *common, *more])


def dataset_of(spark: SparkSession, frame: pd.DataFrame, **data: Any) -> recsys.Dataset:
    return recsys.Dataset.from_dataframe(spark.createDataFrame(frame), user="who", movie="what", rating="stars", **data)


@pytest.fixture(scope="module")
def fitted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(data set, model, its folder) of a case on the stars 1 to 5 or on another scale; made once."""
    datasets: dict[Any, recsys.Dataset] = {}
    made: dict[Any, tuple[recsys.Dataset, recsys.Model, Path]] = {}

    def get(case: str, other: Map) -> tuple[recsys.Dataset, recsys.Model, Path]:
        kind, assignments, data = CASES[case]
        if (case, other) not in made:
            place = str(data), other
            if place not in datasets:
                slope, shift = other
                frame = tastes(users=90).assign(stars=lambda one: slope * one["stars"] + shift)
                ends = {"rating_min": slope + shift, "rating_max": 5 * slope + shift}
                datasets[place] = dataset_of(spark, frame, **ends, **data)
            folder = tmp_path_factory.mktemp("model")
            model = recsys.fit(datasets[place], settings(kind, *assignments), output=folder)
            made[case, other] = datasets[place], model, folder
        return made[case, other]

    return get


def arrays_in(folder: Path) -> dict[str, np.ndarray]:
    """All arrays of a saved model, but for the factors for other programs, which are on the scale of the ratings."""
    paths = [path for path in folder.rglob("*.npy") if path.parent.name != "factors"]
    return {str(path.relative_to(folder)): np.load(path) for path in paths}


@every_case
@every_scale
def test_weights_losses_and_scores_are_those_of_stars(case: str, other: Map, fitted: Any) -> None:
    dataset, model, folder = fitted(case, other)
    of_stars, expected, folder_of_stars = fitted(case, STARS)
    assert dataset.preprocessing == Preprocessing(other[0] + other[1], 5 * other[0] + other[1])
    if other[1] == -1.0:
        assert dataset.statistics["ratings_by_value"]["0"] == of_stars.statistics["ratings_by_value"]["1"] > 100
    assert dataset.statistics["ratings"] == of_stars.statistics["ratings"]
    found, wanted = arrays_in(folder), arrays_in(folder_of_stars)
    assert found.keys() == wanted.keys() and len(found) > 0
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5, err_msg=name)
    losses = [(one.train_loss, one.validation_loss) for one in model.history]
    np.testing.assert_allclose(losses, [(one.train_loss, one.validation_loss) for one in expected.history], rtol=1e-5)
    scores = model.recommender.score(all_ratings(dataset))
    np.testing.assert_allclose(scores, expected.recommender.score(all_ratings(of_stars)), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def figures_of(fitted: Any) -> Any:
    made: dict[Any, dict[str, Any]] = {}

    def get(case: str, other: Map) -> dict[str, Any]:
        if (case, other) not in made:
            dataset, model, _ = fitted(case, other)
            made[case, other] = recsys.evaluate(model, dataset)
        return made[case, other]

    return get


@every_case
@every_scale
def test_figures_are_those_of_stars_and_errors_of_ratings_are_times_the_slope(
    case: str, other: Map, fitted: Any, figures_of: Any
) -> None:
    _, model, _ = fitted(case, other)
    found, expected = figures_of(case, other), figures_of(case, STARS)
    assert flat(found["ranking"]) == pytest.approx(flat(expected["ranking"]), rel=1e-6)
    assert flat(found["reconstruction"]) == pytest.approx(flat(expected["reconstruction"]), rel=1e-4)
    ratings, ratings_of_stars = found["rating_prediction"], expected["rating_prediction"]
    assert ratings.keys() == ratings_of_stars.keys()
    assert ("skipped" in ratings) == (not loss_named(model.config.model.loss_name).predicts_ratings)
    for name, figures in ratings_of_stars.items():
        if isinstance(figures, dict):
            assert ratings[name]["rmse"] == pytest.approx(other[0] * figures["rmse"], rel=1e-4)
            assert ratings[name]["mae"] == pytest.approx(other[0] * figures["mae"], rel=1e-4)
    if "model" in ratings:
        assert ratings["ratings"] == ratings_of_stars["ratings"] > 30


def flat(figures: Any, path: str = "") -> dict[str, float]:
    """The numbers of nested figures by their path."""
    if isinstance(figures, dict):
        return {name: one for key, value in figures.items() for name, one in flat(value, f"{path}/{key}").items()}
    return {path: figures} if isinstance(figures, int | float) else {}


@every_case
@every_scale
def test_recommendations_and_predictions_are_those_of_stars(case: str, other: Map, fitted: Any) -> None:
    slope, shift = other
    _, _, folder = fitted(case, other)
    _, _, folder_of_stars = fitted(case, STARS)
    one, of_stars = recsys.load_recommender(folder), recsys.load_recommender(folder_of_stars)
    rated = {"m00": 5.0, "m03": 4.0, "m01": 1.0, "m07": 3.0}
    elsewhere = {movie: slope * stars + shift for movie, stars in rated.items()}
    best, expected = one.recommend(elsewhere, 26), of_stars.recommend(rated, 26)
    assert len(best) == 26
    assert [movie["movie_id"] for movie in best] == [movie["movie_id"] for movie in expected]
    if one.predicts_ratings:
        predicted = one.predict(one.matrix(elsewhere))
        wanted = slope * of_stars.predict(of_stars.matrix(rated)) + shift
        np.testing.assert_allclose(predicted, wanted, rtol=1e-4, atol=1e-4)
        with pytest.raises(UserError, match="off the scale"):
            one.recommend({"m00": slope * 5.5 + shift})


def test_a_model_is_not_judged_on_another_scale(fitted: Any) -> None:
    dataset, _, _ = fitted("ratings", SCALES["0 to 4"])
    _, model, _ = fitted("ratings", STARS)
    with pytest.raises(UserError, match=r"trained on ratings from 1 to 5, those of the data are from 0 to 4: set"):
        recsys.evaluate(model, dataset)


@pytest.fixture(scope="module")
def counts(spark: SparkSession) -> dict[str, recsys.Dataset]:
    """How often each user watched a movie, 1 to 125 times, by data.weights."""
    frame = tastes(users=90).assign(stars=lambda one: one["stars"] ** 3)
    ends = {"rating_min": 1, "rating_max": 125, "feedback": "counts"}
    return {weights: dataset_of(spark, frame, weights=weights, **ends) for weights in ("none", "log", "power")}


@every_kind
def test_weights_reach_the_families_that_use_them_and_no_others(
    kind: str, counts: dict[str, recsys.Dataset], tmp_path: Path
) -> None:
    said: list[str] = []
    config = settings(kind, *SMALL.get(kind, []))
    if kind in OF_STARS:
        with pytest.raises(ConfigError, match="predicts ratings, and the data hold counts"):
            recsys.fit(counts["log"], config)
        return
    alike, log = (
        recsys.fit(counts[weights], config, output=tmp_path / weights, on_message=said.append)
        for weights in ("none", "log")
    )
    ratings = all_ratings(counts["log"])
    scores = [model.recommender.score(ratings) for model in (alike, log)]
    assert log.family.preprocessing.weighted == uses_weights(config) == (kind != EXAMPLE)
    assert recsys.load_recommender(tmp_path / "log").preprocessing == log.family.preprocessing
    if not uses_weights(config):
        np.testing.assert_array_equal(scores[1], scores[0])
        assert len(said) == 1 and "data.weights = 'log' has no effect" in said[0]
        return
    assert said == []
    assert np.abs(scores[1] - scores[0]).max() > 1e-3
    family = log.family.first if kind == "sum" else log.family  # type: ignore[attr-defined]
    arranged = arrange(counts["log"], log.config)
    loss, expected = loss_named(config.model.loss_name).of(arranged.examples.preprocessing), []
    for role in (TRAIN, VALIDATION):
        total = weight = 0.0
        for block in arranged.parts[role].blocks.collect():
            shown, target = arranged.examples.arrays(block, role)
            arrays = counts["log"].preprocessing.scale(target)
            np.testing.assert_allclose(arrays.data, 1 + np.log(target.data), rtol=1e-6)
            part, part_weight = loss.sums(arrays, family.scorer().score(shown))
            total, weight = total + part, weight + part_weight
        expected.append(total / weight)
    assert log.epoch is not None
    assert [log.epoch.train_loss, log.epoch.validation_loss] == pytest.approx(expected, rel=1e-5)
    if kind != "sum":  # its history is of the first model, its evaluation of both
        assert recsys.evaluate(log, counts["log"])["reconstruction"]["train"] == pytest.approx(expected[0], rel=1e-5)


def test_a_loss_without_weights_takes_counts_alike(counts: dict[str, recsys.Dataset]) -> None:
    said: list[str] = []
    config = settings("dae", "model.hidden=[8]")  # the paper's squared error
    alike, log = (recsys.fit(counts[one], config, on_message=said.append) for one in ("none", "log"))
    ratings = all_ratings(counts["log"])
    np.testing.assert_array_equal(log.recommender.score(ratings), alike.recommender.score(ratings))
    assert [text.partition(":")[0] for text in said] == ["data.weights = 'log' has no effect"]
    assert recsys.evaluate(log, counts["log"])["rating_prediction"].keys() == {"skipped"}


@pytest.mark.parametrize("kind", ["dae", "linear"])
def test_likes_without_ratings_are_the_likes_of_ratings(kind: str, spark: SparkSession, likes: recsys.Dataset) -> None:
    frame = tastes()
    liked = frame[frame["stars"] >= 4].assign(stars=1.0)
    plain = dataset_of(spark, liked, rating_min=0, rating_max=1, feedback="likes")
    config = settings(kind, *SMALL.get(kind, []))
    models = [recsys.fit(one, config) for one in (plain, likes)]
    scores = [model.recommender.score(all_ratings(one)) for model, one in zip(models, (plain, likes), strict=True)]
    np.testing.assert_array_equal(scores[0], scores[1])
    figures = [recsys.evaluate(model, one) for model, one in zip(models, (plain, likes), strict=True)]
    assert flat(figures[0]["ranking"]) == flat(figures[1]["ranking"])
    assert "skipped" in figures[0]["rating_prediction"]


def test_what_does_not_go_with_the_rows_is_refused_before_training(counts: dict[str, recsys.Dataset]) -> None:
    with pytest.raises(ConfigError, match=r"model\.loss = 'masked_mse' predicts ratings, and the data hold counts"):
        recsys.fit(counts["none"], settings("dae", "model.loss=masked_mse"))
    with pytest.raises(ConfigError, match=r"data\.weights = 'power' in the settings, 'log' in the data set"):
        recsys.fit(counts["log"], settings("linear", "data.ratings=r", "data.feedback=counts", "data.weights=power"))
    with pytest.raises(ConfigError, match=r"data\.feedback = 'likes' in the settings, 'counts' in the data set"):
        recsys.fit(counts["log"], settings("linear", "data.feedback=likes"))


def test_a_saved_data_set_keeps_its_scale_and_weights(
    spark: SparkSession, counts: dict[str, recsys.Dataset], fitted: Any, tmp_path: Path
) -> None:
    of_ratings, _, _ = fitted("ratings", SCALES["-10 to 10"])
    for name, dataset in (("counts", counts["power"]), ("ratings", of_ratings)):
        dataset.save(tmp_path / name)
        again = recsys.Dataset.load(spark, tmp_path / name)
        assert again.preprocessing == dataset.preprocessing
        stored, expected = all_ratings(again), all_ratings(dataset)
        for part in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(stored, part), getattr(expected, part))
