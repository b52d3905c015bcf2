"""The job tune as a user starts it: what it leaves, what goes on after a kill, and what is refused before Spark."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from launching import Started, is_java, launch, phases, read_json, succeed
from quick_java import QUICK_JAVA
from standalone import running_cluster

from recsys.config.load import load_config
from recsys.tuning.results import read_trials

CONFIG = """
[data]
dataset = "synthetic"
scale = 0.002
split = "rating"

[model]
kind = "als"
factors = 4

[training]
epochs = 3
"""
SPACE = """
[space]
"model.factors" = { low = 2, high = 6, type = "int" }
"model.l2" = { low = 0.1, high = 10, scale = "log" }
"""
WORDS = ("tune", "--config", "./tiny.toml", "--space", "space.toml", "--seeds", "1", "--pruner", "none")


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("here")
    (here / "tiny.toml").write_text(CONFIG)
    (here / "space.toml").write_text(SPACE)
    return here


@pytest.fixture(scope="module")
def tuned(cwd: Path) -> Path:
    ended = succeed(*WORDS, "--trials", "5", "--parallel", "1", "--output", "whole", cwd=cwd)
    (cwd / "screen").write_text(ended.stdout)
    return cwd / "whole"


def comparable(run: Path) -> list[object]:
    return [replace(row, seconds=0.0) for row in read_trials(run / "trials.csv")]


def test_what_a_study_leaves(tuned: Path) -> None:
    assert {path.name for path in tuned.iterdir()} >= {
        "config.toml", "environment.json", "run.json", "run.log", "resources", "report", "space.toml", "tune.json",
        "study.journal", "trials.csv", "trials", "best.toml", "importance.json", "final.json", "statistics.json",
    }  # fmt: skip
    assert "model" not in {path.name for path in tuned.iterdir()}
    assert read_json(tuned / "run.json")["status"] == "succeeded"
    assert [one["name"] for one in phases(tuned)][-4::2] == ["model_training", "model_evaluation"]
    rows = read_trials(tuned / "trials.csv")
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5]
    best = load_config([tuned / "best.toml"])
    assert (best.model.factors, best.model.l2) == tuple(rows[0].parameters.values())  # type: ignore[attr-defined]
    final = read_json(tuned / "final.json")
    assert final["metric"] == "rmse"
    assert final["best_reachable_rmse"] > 0
    screen = (tuned.parent / "screen").read_text()
    assert "  trial 0 (1/5)  validation_rmse " in screen
    assert f"test rmse after tuning: {final['tuned']['mean']:.6g}" in screen
    assert "best of 5 trials: validation_rmse" in screen


def test_a_stopped_study_leaves_its_page_and_the_best_settings_so_far(cwd: Path) -> None:
    run = cwd / "stopped"
    job = Started(*WORDS, "--trials", "500", "--parallel", "1", cwd=cwd, run=run)
    job.wait_until(lambda: (run / "trials.csv").exists() and len(read_trials(run / "trials.csv")) >= 9)
    job.launcher.send_signal(signal.SIGTERM)
    said = job.end()
    rows = read_trials(run / "trials.csv")
    assert read_json(run / "run.json")["status"] == "failed" and 9 <= len(rows) < 500
    page = run / "report" / "tuning.html"
    assert f"study: {page}" in said
    text = page.read_text()
    assert f"trial {rows[0].number}</" in text
    assert set(read_json(run / "importance.json")) == {"model.factors", "model.l2"}
    best = load_config([run / "best.toml"])
    assert (best.model.factors, best.model.l2) == tuple(rows[0].parameters.values())  # type: ignore[attr-defined]


def test_a_killed_study_goes_on(cwd: Path, tuned: Path) -> None:
    run = cwd / "killed"
    job = Started(*WORDS, "--trials", "5", "--parallel", "1", cwd=cwd, run=run)
    job.wait_until(lambda: (run / "trials.csv").exists() and len(read_trials(run / "trials.csv")) >= 2)
    job.wait_for_driver().send_signal(signal.SIGKILL)
    job.end()
    before = read_trials(run / "trials.csv")
    assert len(before) < 5
    assert read_json(run / "run.json")["status"] == "failed"
    best = load_config([run / "best.toml"])
    assert best.model.l2 == before[0].parameters["model.l2"]  # type: ignore[attr-defined]
    assert not (run / "report" / "tuning.html").exists()
    page = run / "report" / "tuning.html"
    assert succeed("tune", "--page", run, cwd=cwd).stdout == f"study: {page}\n"
    assert f"trial {before[0].number}" in page.read_text()
    ended = succeed("tune", "--resume", run, cwd=cwd)
    assert comparable(run) == comparable(tuned)
    assert f"(1/{len(before)})" not in ended.stdout
    kept = {row.number: row.seconds for row in read_trials(run / "trials.csv")}
    assert all(kept[row.number] == row.seconds for row in before)  # not run again


def test_a_study_on_a_cluster_goes_on_when_a_worker_is_killed(cwd: Path, tmp_path: Path) -> None:
    run, trials = cwd / "on a cluster", 16
    options = ["--", "--conf", f"spark.executor.extraJavaOptions={QUICK_JAVA}"]
    with running_cluster(tmp_path / "cluster") as cluster:
        own = (*WORDS, "--trials", str(trials), "--parallel", "2", "--profile", "off", "--master", cluster.url)
        job = Started(*own, cwd=cwd, run=run, options=options)
        try:
            job.wait_until(lambda: (run / "trials.csv").exists() and len(read_trials(run / "trials.csv")) >= 3)
            before = len(read_trials(run / "trials.csv"))
            worker = psutil.Process(cluster.processes[-1].pid)
            killed = worker.children(recursive=True)
            assert any(is_java(one) for one in killed)  # its executor
            for process in [worker, *killed]:
                process.kill()
            said = job.end()
        finally:
            job.kill()
    assert before < trials
    assert job.launcher.returncode == 0, said
    assert read_json(run / "environment.json")["spark"]["spark.cores.max"] == "2"
    rows = read_trials(run / "trials.csv")
    assert sorted(row.number for row in rows) == list(range(trials))
    failed = [row for row in rows if row.state == "failed"]
    assert len(failed) <= 2 and all(row.reason for row in failed)  # those that were going on, at most
    assert all(set(row.parameters) == {"model.factors", "model.l2"} for row in rows)
    assert read_json(run / "final.json")["tuned"]["mean"] > 0


def test_more_trials_of_a_study_that_has_ended_and_its_file_for_the_dashboard(cwd: Path, tuned: Path) -> None:
    refused = launch("tune", "--resume", tuned, cwd=cwd)
    assert refused.returncode == 2
    assert "this run has succeeded" in refused.stderr
    refused = launch("tune", "--resume", tuned, "--trials", "6", "--sampler", "random", cwd=cwd)
    assert refused.returncode == 2
    assert "this study has --sampler tpe, not random: leave --sampler out" in refused.stderr
    assert "study.db" in succeed("tune", "--export", tuned, cwd=cwd).stdout
    assert (tuned / "study.db").read_bytes().startswith(b"SQLite")


def test_a_second_study_in_the_same_directory_is_refused(cwd: Path, tuned: Path) -> None:
    refused = launch(*WORDS, "--output", tuned, cwd=cwd)
    assert refused.returncode == 2
    assert "is not empty: name a new directory" in refused.stderr


def test_all_mistakes_are_said_before_spark_starts(cwd: Path) -> None:
    (cwd / "wrong.toml").write_text(
        '[space]\n"model.latent" = {low = 1, high = 9}\n"model.l2" = {low = 0, high = 9, scale = "log"}\n'
    )
    refused = launch(
        "tune", "--config", "./tiny.toml", "--space", "wrong.toml", "--metric", "ndcg@100", "--output", "none", cwd=cwd
    )
    assert refused.returncode == 2
    for said in (
        "unknown key model.latent",
        "model.l2: scale = 'log' needs low above 0, not 0",
        "--metric = 'ndcg@100': no such figure: did you mean validation_ndcg@100?",
    ):
        assert said in refused.stderr
    assert refused.stderr.count("howdah:") == 1
    assert not (cwd / "none").exists()
    for words, said in (
        (("--timeout", "soon"), "expected a time, such as 90s, 30m or 2h"),
        (("--fraction", "2"), "above 0 and at most 1"),
        (("--set", "model.kind=sum", "--space", "space.toml"), "unknown key model.factors"),
    ):
        refused = launch("tune", "--config", "./tiny.toml", *words, cwd=cwd)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
