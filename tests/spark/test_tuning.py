"""Studies over Spark: a planted optimum, an impossible corner, kills, pruning, samples, several trials at once."""

from __future__ import annotations

import json
import math
import urllib.request
from typing import Any

import bowl
import pytest
from studies import ALS, als, ratings, settings, tune, without_seconds

import recsys
from recsys.arranged import arrange, train_on
from recsys.config.load import load_config
from recsys.config.search import Choices, Range
from recsys.data.split import TRAIN, VALIDATION
from recsys.errors import ConfigError, UserError
from recsys.evaluation.figure import figure_named, measure_figure
from recsys.tuning.journal import JOURNAL, export_sqlite
from recsys.tuning.results import read_trials


@pytest.fixture(scope="module")
def dataset(spark):
    return recsys.Dataset.from_dataframe(spark.createDataFrame(ratings()), split="rating")


def test_a_planted_optimum_beside_an_impossible_corner(dataset, tmp_path):
    seen: list[Any] = []
    tuned = tune(dataset, settings(), trials=40, pruner="none", output=tmp_path, on_trial=seen.append)
    assert tuned.best.parameters["model.x"] == pytest.approx(0.3, abs=0.12)
    assert math.log10(tuned.best.parameters["model.y"]) == pytest.approx(1, abs=0.15)
    first = next(row for row in tuned.trials if row.number == 0)
    assert first.parameters == {"model.x": 0.9, "model.y": 2.0}  # the settings themselves
    assert first.value == pytest.approx(0.6**2 + (1 - math.log10(2)) ** 2 + 1 / 3, abs=1e-5)
    values = [row.value for row in tuned.trials if row.value is not None]
    assert values == sorted(values)
    assert [row.rank for row in tuned.trials[: len(values)]] == list(range(1, len(values) + 1))
    corner = [row for row in tuned.trials if row.parameters["model.x"] > 0.7 and row.parameters["model.y"] > 30]
    failed = [row for row in tuned.trials if row.state == "failed"]
    assert corner and failed == corner
    assert {row.reason for row in failed} == {"model.x does not go with model.y here"}
    assert set(tuned.importance) == {"model.x", "model.y"}
    assert sum(tuned.importance.values()) == pytest.approx(1, abs=1e-3)
    # what the folder holds
    assert without_seconds(read_trials(tmp_path / "trials.csv")) == without_seconds(tuned.trials)
    assert load_config([tmp_path / "best.toml"]).model == tuned.config.model
    assert len((tmp_path / "trials" / "00000" / "history.csv").read_text().splitlines()) == 4
    assert json.loads((tmp_path / "importance.json").read_text()) == tuned.importance
    # what was said on the way
    assert [progress.ended for progress in seen] == list(range(1, 41))
    assert seen[-1].best.value == tuned.best.value
    assert seen[-1].seconds_left == 0


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "grid"])
def test_a_study_killed_twice_has_the_trials_of_one_that_was_not(dataset, tmp_path, sampler):
    common = {"trials": 16, "sampler": sampler, "pruner": "median"}
    whole = tune(dataset, settings(), output=tmp_path / "whole", **common)
    by_number = sorted(whole.trials, key=lambda row: row.number)
    killed = [row for row in by_number if row.state != "failed"]
    for row, epoch in ((killed[2], 1), (killed[9], row_epoch(killed[9]))):
        bowl.INTERRUPT_AT.append((row.parameters["model.x"], epoch))
        with pytest.raises(KeyboardInterrupt):
            tune(dataset, settings(), output=tmp_path / "killed", **common)
        assert not bowl.INTERRUPT_AT
        with (tmp_path / "killed" / JOURNAL).open("ab") as file:
            file.write(b'{"op_code":6,"worker_id":"cut')  # it was killed as it wrote
        (tmp_path / "killed" / f"{JOURNAL}.lock").symlink_to(tmp_path / "killed" / JOURNAL)
    again = tune(dataset, settings(), output=tmp_path / "killed", **common)
    assert without_seconds(again.trials) == without_seconds(whole.trials)
    # more trials go on from there
    more = tune(dataset, settings(), output=tmp_path / "killed", **{**common, "trials": 18})
    assert sorted(row.number for row in more.trials) == list(range(16 if sampler == "grid" else 18))


def row_epoch(row):
    return row.epochs


def test_the_same_seed_gives_the_same_ranking(dataset):
    one, other, third = (tune(dataset, settings(f"seed={seed}"), trials=14, pruner="hyperband") for seed in (4, 4, 5))
    assert without_seconds(one.trials) == without_seconds(other.trials)
    assert [row.parameters for row in one.trials] != [row.parameters for row in third.trials]


def test_trials_that_are_worse_than_others_are_given_up(dataset):
    tuned = tune(dataset, settings("training.epochs=20"), trials=25, pruner="median", sampler="random")
    pruned = [row for row in tuned.trials if row.state == "pruned"]
    assert pruned
    assert all(row.value is None and row.rank is None and row.epochs < 20 for row in pruned)
    last = pruned[0]
    x, y = last.parameters["model.x"], last.parameters["model.y"]
    loss = (x - 0.3) ** 2 + (math.log10(y) - 1) ** 2 + 1 / last.epochs + 1e-6
    assert last.reason == f"after epoch {last.epochs}: validation loss {loss:.6g}"


def test_where_all_trials_fail_the_most_common_reason_is_said(dataset, tmp_path):
    space = {"model.breaks": Choices(choices=(True,)), "model.x": Range(low=0.1, high=0.5)}
    with pytest.raises(
        UserError, match=r"^none of 3 trials was complete; 3 of them failed like this: the bowl is broken$"
    ):
        tune(dataset, settings("model.breaks=true"), space, trials=3, output=tmp_path)
    assert {row.state for row in read_trials(tmp_path / "trials.csv")} == {"failed"}


def test_a_loss_that_is_no_number_is_a_failed_trial(dataset):
    space = {"model.learning_rate": Choices(choices=(0.01, 1e30))}
    config = load_config(assignments=["model.kind=mf", "model.factors=2", "training.epochs=2", "data.split=rating"])
    tuned = tune(dataset, config, space, trials=2, sampler="grid", metric=None)
    assert tuned.metric == "validation_rmse"
    failed = next(row for row in tuned.trials if row.parameters["model.learning_rate"] == 1e30)
    assert failed.state == "failed"
    assert "nan" in failed.reason or "inf" in failed.reason
    assert tuned.best.parameters == {"model.learning_rate": 0.01}


def test_a_best_value_at_a_bound_is_said(dataset, tmp_path):
    space = {"model.y": Range(low=20, high=25), "model.x": Range(low=0, high=1)}
    said: list[str] = []
    tuned = tune(
        dataset, settings("model.y=20"), space, trials=9, sampler="grid", on_message=said.append, output=tmp_path
    )
    assert tuned.best.parameters == {"model.y": 20.0, "model.x": 0.5}
    assert said == ["model.y = 20 lies at the lower bound of its range (20): widen it"]
    assert json.loads((tmp_path / "final.json").read_text())["notes"] == tuned.notes == said


def test_a_bound_of_the_settings_themselves_is_not_said(dataset):
    tuned = tune(dataset, settings("model.x=0.0"), {"model.x": Range(low=0, high=0.04)}, trials=1)
    assert tuned.best.parameters == {"model.x": 0.0}
    assert tuned.notes == []


def test_another_study_in_the_same_folder_is_refused(dataset, tmp_path):
    tune(dataset, settings(), trials=2, output=tmp_path)
    for more, what in (
        ({"sampler": "random"}, "sampler"),
        ({"metric": "validation_rmse"}, "metric"),
        ({"fraction": 0.5}, "fraction"),
    ):
        with pytest.raises(UserError, match=rf"has a study with other settings \({what}\): name a new directory"):
            tune(dataset, settings(), trials=2, output=tmp_path, **more)
    with pytest.raises(UserError, match=r"other settings \(training\.epochs\)"):
        tune(dataset, settings("training.epochs=4"), trials=2, output=tmp_path)
    with pytest.raises(UserError, match="the search space"):
        tune(dataset, settings(), {"model.x": Range(low=0, high=0.5)}, trials=2, output=tmp_path)


def test_wrong_arguments_in_one_message(dataset):
    with pytest.raises(ConfigError) as caught:
        tune(dataset, settings(), trials=0, timeout=-1.0, parallel=0, fraction=1.5, seeds=-1)
    assert [line.partition(" = ")[0] for line in str(caught.value).splitlines()] == [
        "trials", "timeout", "parallel", "fraction", "seeds",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="did you mean validation_ndcg@100"):
        tune(dataset, settings(), metric="ndcg@10")
    with pytest.raises(ConfigError, match="sampler = 'tpee': there are tpe, random, grid, cmaes"):
        tune(dataset, settings(), sampler="tpee")


def test_trials_are_given_up_by_losses_only_where_these_can_be_compared(dataset, tmp_path):
    weight = {"model.unobserved_weight": Range(low=0.01, high=0.1)}
    for name, config, space, metric, pruner in (
        ("errors", als(), ALS, "validation_rmse", "median"),
        ("lists", als(), ALS, "validation_ndcg@100", "none"),
        ("weights", als("model.unobserved_weight=0.02"), weight, "validation_rmse", "none"),
    ):
        tune(dataset, config, space, trials=1, metric=metric, output=tmp_path / name)
        assert json.loads((tmp_path / name / "tune.json").read_text())["pruner"] == pruner, name


def test_a_trial_begins_before_the_time_is_over(dataset):
    tuned = tune(dataset, settings(), trials=50, timeout=1e-6)
    assert len(tuned.trials) == 1


def test_trials_on_a_sample_and_the_best_of_them_on_all(dataset):
    tuned = tune(dataset, als(), ALS, trials=8, fraction=0.5, pruner="none", metric="validation_rmse")
    on_all = [row for row in tuned.trials if row.fraction == 1]
    sampled = [row for row in tuned.trials if row.fraction == 0.5]
    assert (len(on_all), len(sampled)) == (3, 8)
    assert tuned.trials[:3] == on_all  # ranked first
    best_of_sample = sorted(sampled, key=lambda row: row.value)[:3]
    assert sorted(str(row.parameters) for row in on_all) == sorted(str(row.parameters) for row in best_of_sample)
    assert [row.rank for row in tuned.trials] == list(range(1, 12))
    with pytest.raises(ConfigError, match="fraction: a sample of users"):
        tune(dataset, settings("data.orientation=movie"), fraction=0.5)


def test_the_sample_is_of_training_users_alone_where_users_are_split(dataset):
    by_user = dataset.with_settings(split="user")
    config = als("data.split=user")
    whole, half = arrange(by_user, config), arrange(by_user, config, 0.5)
    assert whole.parts[VALIDATION].rows == half.parts[VALIDATION].rows
    assert 0.3 * whole.parts[TRAIN].rows < half.parts[TRAIN].rows < 0.7 * whole.parts[TRAIN].rows


def test_trials_at_once_come_to_what_each_comes_to_alone(dataset, tmp_path):
    for kind, space in (("als", ALS), ("mf", {"model.l2": Range(low=0.01, high=0.1)})):
        config = load_config(assignments=[
            f"model.kind={kind}", "model.factors=3", "training.epochs=3", "data.split=rating", "training.workers=2",
        ])  # fmt: skip
        tuned = tune(dataset, config, space, trials=4, parallel=2, pruner="none", metric="validation_rmse",
                     output=tmp_path / kind)  # fmt: skip
        assert sorted(row.number for row in tuned.trials) == list(range(4))
        arranged = arrange(dataset, config)
        for row in tuned.trials:
            alone = load_config([tmp_path / kind / "trials" / f"{row.number:05d}" / "config.toml"])
            trained = train_on(arranged, alone)
            with open(tmp_path / kind / "trials" / f"{row.number:05d}" / "history.csv") as file:
                losses = [line.split(",")[2] for line in file][1:]
            assert losses == [str(epoch.validation_loss) for epoch in trained.history]


@pytest.mark.parametrize("name", ["rmse", "mae", "ndcg@100", "recall@20", "coverage@20"])
@pytest.mark.parametrize("split", ["rating", "user"])
def test_the_figure_is_that_of_the_whole_evaluation(dataset, name, split):
    config = als(f"data.split={split}")
    if name.startswith("coverage"):
        with pytest.raises(ConfigError, match="no such figure"):
            figure_named(f"validation_{name}", config)
        return
    data = dataset.with_settings(split=split)
    model = recsys.fit(data, config)
    whole = recsys.evaluate(model, data, "validation")
    expected = whole["rating_prediction"]["model"].get(name) or whole["ranking"]["model"][name]["mean"]
    arranged = arrange(data, config)
    shared = arranged.context.broadcast(model.family.scorer())
    figure = figure_named(f"validation_{name}", config)
    assert figure.direction == ("minimize" if name in ("rmse", "mae") else "maximize")
    assert measure_figure(figure, arranged.parts[VALIDATION], shared, arranged.examples, config) == pytest.approx(
        expected, rel=1e-9
    )


def test_movies_arrays_are_chosen_by_the_errors_of_the_validation_ratings(dataset):
    config = load_config(assignments=[
        "model.kind=dae", "model.loss=masked_mse", "model.hidden=[4]", "training.epochs=2", "training.batch_size=4",
        "data.split=rating", "data.orientation=movie",
    ])  # fmt: skip
    space = {"training.learning_rate": Range(low=0.001, high=0.1, scale="log")}
    tuned = tune(dataset, config, space, trials=2, metric=None)
    assert tuned.metric == "validation_rmse"
    assert 0 < tuned.best.value < 3
    with pytest.raises(ConfigError, match=r"with data\.orientation = 'movie' only errors are known"):
        tune(dataset, config, space, metric="validation_recall@20")


def test_the_study_as_sqlite_opens_in_the_dashboard(dataset, tmp_path):
    optuna = pytest.importorskip("optuna")
    dashboard = pytest.importorskip("optuna_dashboard")
    from threading import Thread
    from wsgiref.simple_server import make_server

    tuned = tune(dataset, settings(), trials=3, output=tmp_path / "run")
    export_sqlite(tmp_path / "run", tmp_path / "study.db")
    with pytest.raises(UserError, match="is there already"):
        export_sqlite(tmp_path / "run", tmp_path / "study.db")
    with pytest.raises(UserError, match="has no study"):
        export_sqlite(tmp_path, tmp_path / "other.db")
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert optuna.load_study(study_name="tune", storage=url).best_value == tuned.best.value
    server = make_server("127.0.0.1", 0, dashboard.wsgi(url))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/api/studies", timeout=30) as answer:
            studies = json.load(answer)["study_summaries"]
    finally:
        server.shutdown()
        server.server_close()
    assert [study["study_name"] for study in studies] == ["tune"]
