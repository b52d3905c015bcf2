"""The test at the end of a study: read by nothing before, of models trained on all but the test ratings."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from studies import ALS, als, ratings, tune, without_seconds

import recsys
from recsys.arranged import arrange
from recsys.config.load import load_config
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.tuning.final import on_all_but_test


@pytest.fixture(scope="module")
def dataset(spark):
    return recsys.Dataset.from_dataframe(spark.createDataFrame(ratings()), split="rating")


def changed_test(dataset: recsys.Dataset) -> pd.DataFrame:
    """The same ratings, but those of the test part are mirrored."""
    from recsys.data.blocks import block_from_row
    from recsys.data.examples import Examples

    frame = ratings().set_index(["userId", "movieId"])
    movies = dataset.items["movie_id"].to_numpy()
    examples = Examples.of(als(), dataset.movies, dataset.preprocessing)
    for row in dataset.blocks.collect():
        block = block_from_row(row)
        users = np.repeat(block.users, np.diff(block.indptr))
        test = examples.parts(block) == TEST
        for user, movie in zip(users[test], movies[block.indices[test]], strict=True):
            frame.loc[(user, movie), "rating"] = 6 - frame.loc[(user, movie), "rating"]
    return frame.reset_index()


def test_the_test_part_is_not_read_before_the_end(spark, dataset, tmp_path):
    frame = changed_test(dataset)
    assert 60 < (frame["rating"] != ratings()["rating"]).sum() < 160
    other = recsys.Dataset.from_dataframe(spark.createDataFrame(frame), split="rating")
    one, two = (
        tune(data, als(), ALS, trials=4, seeds=2, metric="validation_rmse", output=tmp_path / name)
        for name, data in (("one", dataset), ("two", other))
    )
    assert without_seconds(one.trials) == without_seconds(two.trials)
    assert one.notes == two.notes
    assert one.final["tuned"]["mean"] != two.final["tuned"]["mean"]
    # the test at the end, of both
    final = json.loads((tmp_path / "one" / "final.json").read_text())
    assert final["tuned"] == one.final["tuned"]
    for tested in (final["tuned"], final["default"]):
        first, second = tested["figures"]
        assert tested["mean"] == pytest.approx((first + second) / 2)
        assert tested["standard_error"] == pytest.approx(abs(first - second) / 2)
        assert tested["metrics"]["rating_prediction"]["model"]["rmse"] == first


def test_the_last_training_is_on_all_but_the_test_ratings(dataset):
    config = on_all_but_test(als("seed=5", "training.epochs=9", "training.patience=3"), 4, 2)
    assert (config.seed, config.split_seed, config.training.epochs, config.training.keep) == (7, 5, 4, "last")
    with_validation = arrange(dataset, als("seed=5"))
    without = arrange(dataset.with_settings(validation_fraction=0.0, split_seed=5), config)
    for examples_of_study, examples in [(with_validation.examples, without.examples)]:
        for block in without.parts[TRAIN].blocks.collect():
            before, after = examples_of_study.parts(block), examples.parts(block)
            assert ((before == TEST) == (after == TEST)).all()
            assert (after[before == VALIDATION] == TRAIN).all()
    cosine = on_all_but_test(als("training.epochs=9", "training.schedule=cosine"), 4, 0)
    assert cosine.training.epochs == 9


def test_a_killed_test_at_the_end_keeps_what_was_tested(dataset, tmp_path, monkeypatch):
    said: list[str] = []

    def interrupted(text: str) -> None:
        said.append(text)
        if text.startswith("tuned, seed 2"):
            raise KeyboardInterrupt

    common = {"trials": 2, "seeds": 3, "metric": "validation_rmse", "output": tmp_path, "pruner": "none"}
    far_off = als("model.l2=10.0")  # so that the second trial is the best one
    with pytest.raises(KeyboardInterrupt):
        tune(dataset, far_off, ALS, **common, on_message=interrupted)
    again: list[str] = []
    tuned = tune(dataset, far_off, ALS, **common, on_message=again.append)
    tested = [text.partition(":")[0] for text in again if ", seed " in text]
    # the second model was tested, but its figure was not yet written
    assert tested == [f"tuned, seed {seed}" for seed in (2, 3)] + [f"default, seed {seed}" for seed in (1, 2, 3)]
    assert len(tuned.final["tuned"]["figures"]) == len(tuned.final["default"]["figures"]) == 3


def test_settings_that_nothing_was_better_than_are_tested_once(dataset, tmp_path):
    said: list[str] = []
    found = tune(
        dataset, als(), ALS, trials=1, seeds=2, metric="validation_rmse", output=tmp_path, on_message=said.append
    )
    tested = [text.partition(":")[0] for text in said if text.startswith(("tuned", "default"))]
    assert tested == ["tuned, seed 1", "tuned, seed 2", "default"]
    assert found.final["default"] == found.final["tuned"]
    assert len(found.final["default"]["figures"]) == 2


def test_the_best_settings_train_the_best_model_again(dataset, tmp_path):
    tuned = tune(dataset, als(), ALS, trials=3, metric="validation_rmse", output=tmp_path)
    recsys.fit(dataset, load_config([tmp_path / "best.toml"]), output=tmp_path / "again")
    ours = tmp_path / "trials" / f"{tuned.best.number:05d}" / "history.csv"
    paths = ours, tmp_path / "again" / "history.csv"
    first, second = ([line.split(",")[:3] for line in path.read_text().splitlines()] for path in paths)
    assert first == second
