"""Jobs that are stopped or killed: what they leave says so, and nothing of them runs on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from launching import (
    EPOCHS,
    Started,
    check_same,
    history,
    is_java,
    launch,
    phases,
    read_json,
    succeed,
    weights,
)  # fmt: skip
from scipy.sparse import csr_matrix

from recsys import load_recommender

Start = Callable[..., Started]
# in phases between them the same is lost
KILLED_IN = (
    "data_loading", "movies_transformation", "statistical_analysis", "model_training", "recommendation_testing",
)  # fmt: skip


@pytest.fixture
def start(tmp_path: Path, settings: Path) -> Iterator[Start]:
    jobs = []

    def begin(*arguments: str | Path) -> Started:
        (tmp_path / "here").mkdir(exist_ok=True)
        what = () if "--resume" in arguments else ("--config", settings)
        jobs.append(Started("train", *what, *arguments, cwd=tmp_path / "here", run=tmp_path / "run"))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.kill()


def interrupt(job: Started) -> str:
    """Ctrl-C, as it reaches the launcher; what the job said."""
    assert len(job.left_over()) >= 2  # the JVM and the driver: this test can see what it looks for
    job.launcher.send_signal(signal.SIGINT)
    return job.end()


def check_that_it_failed(job: Started, phase: str | None, code: int, error: str) -> None:
    """Exit code, run.json, phases.jsonl, and no process of the job anywhere; phase: None between two phases."""
    assert job.launcher.returncode == code
    told = read_json(job.path / "run.json")
    assert (told["status"], told["phase"]) == ("failed", phase)
    assert error in told["error"]
    begun = [one["name"] for one in phases(job.path) if one["event"] == "start"]
    done = [one["name"] for one in phases(job.path) if one["event"] == "end" and one["status"] == "done"]
    if phase is None:
        assert done == begun
    else:
        assert begun[-1] == phase and done == begun[:-1]
    assert job.left_over() == []
    assert not (job.path / "tmp").exists()
    assert list((job.path.parent / "here").iterdir()) == []


def check_model(run: Path, epochs: list[int]) -> None:
    """Whole rows of finished epochs, and the best epoch's model, which can be used."""
    assert [int(row["epoch"]) for row in history(run)] == epochs
    assert all(float(row["validation_loss"]) > 0 and row["workers"] == "2" for row in history(run))
    recommender = load_recommender(run)
    scores = recommender.score(csr_matrix(([4.0], ([0], [3])), shape=(1, len(recommender.items))))
    assert np.isfinite(scores).all() and scores.std() > 0
    assert len(recommender.recommend({recommender.items[3].item(): 4.0}, 5)) == 5


def test_interrupted_while_the_data_is_joined(start):
    job = start()
    job.wait_for_phase("data_integration")
    said = interrupt(job)
    check_that_it_failed(job, "data_integration", 130, "stopped by the user")
    assert "howdah: stopped by the user" in said and "Traceback" not in said
    assert not (job.path / "history.csv").exists() and not (job.path / "model").exists()


def test_interrupted_while_training(start, prepared):
    job = start("--prepared", prepared, "--set", "training.epochs=500")
    job.wait_for_epoch()
    heard = job.listening()
    said = interrupt(job)
    check_that_it_failed(job, "model_training", 130, "stopped by the user")
    assert "Traceback" not in said
    assert heard and set(heard) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}  # nobody else can talk to it
    check_model(job.path, list(range(1, len(history(job.path)) + 1)))
    assert not (job.path / "metrics.json").exists()


def test_interrupted_while_evaluating_prepared_data(start, prepared, trained, tmp_path):
    """And up to there a run on prepared data is the same as one from files."""
    job = start("--prepared", prepared, "--set", "training.epochs=1")
    job.wait_for_phase("model_evaluation")
    interrupt(job)
    check_that_it_failed(job, "model_evaluation", 130, "stopped by the user")
    check_model(job.path, [1])
    assert [one["name"] for one in phases(job.path) if one["event"] == "start"] == [
        "data_loading", "model_training", "model_evaluation",
    ]  # fmt: skip
    for name in ("statistics.json", "model/items.parquet", "model/preprocessing.json"):
        assert (job.path / name).read_bytes() == (trained.path / name).read_bytes(), name
    # from its beginning, as there is no checkpoint yet
    succeed("train", "--resume", job.path, "--profile", "off", cwd=tmp_path / "here")
    assert [int(row["epoch"]) for row in history(job.path)] == [1]
    assert read_json(job.path / "run.json")["status"] == "succeeded" and (job.path / "metrics.json").exists()


def test_the_driver_is_killed_in_several_phases_and_resumed(start, trained, tmp_path):
    """One run, killed as it reads, resumed and killed as it counts, and so on: it ends like any other.

    So short a run has no checkpoint: it begins anew each time, also after it was killed as it recommends.
    """
    names = [one["name"] for one in phases(trained.path) if one["event"] == "start"]
    assert len(names) == 9
    job, here = start(), tmp_path / "here"
    for resumed, name in enumerate(KILLED_IN):
        number = names.index(name)
        if resumed:
            job.wait_until((job.path / f"resources-{resumed}").exists)  # the phases of before are put by
        driver = job.wait_for_driver()  # before its phase begins, as a phase may be shorter than the search
        job.wait_for_phase(name)
        driver.kill()
        said = job.end()
        told = read_json(job.path / "run.json")
        # by the time that it is dead a short phase may be over: then it died between two, or in the next
        assert told["phase"] in [*names[number : number + 2], None]
        if told["status"] != "succeeded":
            check_that_it_failed(job, told["phase"], 137, "killed (exit code 137)")
        else:
            assert number == len(names) - 1
        assert f"Spark's own log: {job.path / 'spark.log'}" in said
        jobs = [json.loads(line) for line in (job.path / "resources" / "jobs.jsonl").read_text().splitlines()]
        assert resumed == 0 or names[0] in {one["phase"] for one in jobs}  # what Spark had written down by then
        if name != KILLED_IN[-1]:
            job = start("--resume", job.path)
    succeed("train", "--resume", job.path, "--profile", "off", cwd=here)
    assert [row["epoch"] for row in history(job.path)] == ["1", "2"]
    for name in ("statistics.json", "metrics.json", "recommendations.json"):
        assert read_json(job.path / name) == read_json(trained.path / name), name
    for one, other in zip(weights(job.path), weights(trained.path), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_time_limit_stops_a_run_which_goes_on(prepared, settings, undisturbed, tmp_path):
    """It ends well, with a model and its figures, and later as if it had never been stopped."""
    run, limit = tmp_path / "run", ("--set", "training.max_seconds=0.001", "--set", "training.test_loss=true")
    own = ("--prepared", prepared, "--set", f"training.epochs={EPOCHS}", "--output", run)
    ended = succeed("train", "--config", settings, *own, *limit, cwd=tmp_path)
    told = read_json(run / "run.json")
    assert (told["status"], told["stopped"]) == ("stopped", f"training.max_seconds = 0.001: after epoch 1 of {EPOCHS}")
    assert f"stopped by {told['stopped']}; ./spark-submit.sh train --resume {run} goes on\n" in ended.stdout
    check_model(run, [1])
    assert read_json(run / "metrics.json")["epoch"] == 1 and (run / "recommendations.json").exists()
    page = (run / "report" / "index.html").read_text()
    assert '<span class="status succeeded">stopped</span>' in page and f"was stopped by {told['stopped']}." in page
    succeed("train", "--resume", run, "--set", "training.max_seconds=0", "--profile", "off", cwd=tmp_path)
    assert read_json(run / "run.json")["status"] == "succeeded" and not (run / "checkpoints").exists()
    check_same(run, undisturbed)
    assert all(float(row["test_loss"]) > 0 for row in history(run))


def test_the_jvm_is_killed_and_the_run_goes_on(start, prepared, undisturbed):
    """What was stopped ends as if it had never been: bit for bit, on the same machine."""
    own = ["--prepared", prepared, "--set", f"training.epochs={EPOCHS}", "--set", "training.checkpoint_seconds=0"]
    job = start(*own)
    job.wait_until(lambda: len(history(job.path)) > 2)
    (jvm,) = job.processes(is_java)
    jvm.kill()
    job.end()
    check_that_it_failed(job, "model_training", 137, "")
    finished = history(job.path)
    check_model(job.path, list(range(1, len(finished) + 1)))
    assert len(finished) < EPOCHS
    here = job.path.parent / "here"
    changed = launch("train", "--resume", job.path, "--set", "training.epochs=40", cwd=here)
    assert changed.returncode == 2 and f"training.epochs = {EPOCHS}, not 40" in changed.stderr
    succeed("train", "--resume", job.path, "--prepared", prepared, "--profile", "off", cwd=here)
    assert read_json(job.path / "run.json")["status"] == "succeeded"
    assert not (job.path / "checkpoints").exists()
    assert (job.path / "resources-1" / "phases.jsonl").exists()  # what was measured before it was killed
    check_same(job.path, undisturbed)
