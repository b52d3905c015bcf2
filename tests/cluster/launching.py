"""Jobs started as a user starts them: by spark-submit.sh, from some directory, with real processes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from quick_java import QUICK_JAVA, ROOT

from recsys import load_recommender
from recsys.tensorflow_env import quiet_keras

LIMIT_SECONDS = 300  # of a hung job, not of a slow one
SECRET_FILE = Path(__file__).with_name("cluster-secret.txt")  # of the clusters that tests start

EPOCHS = 64  # of the run that disturbed ones are held against: enough for all that happens to these

TINY = """
[data]
dataset = "synthetic"
scale = 0.002

[model]
loss = "masked_mse"
hidden = [24]

[training]
workers = 2
epochs = 2
batch_size = 16
"""


def environment(home: Path) -> dict[str, str]:
    """This process' environment with another home, so that what is left there is seen."""
    home.mkdir(parents=True, exist_ok=True)
    left_out = ("PYTHONPATH", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "KERAS_HOME", "MPLCONFIGDIR")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return {**kept, "HOME": str(home), "JDK_JAVA_OPTIONS": QUICK_JAVA, "HOWDAH_SPARK_SECRET_FILE": str(SECRET_FILE)}


def launch(*arguments: str | Path, cwd: Path, root: Path = ROOT, jobs: int = 1) -> subprocess.CompletedProcess[str]:
    """Runs ./spark-submit.sh, which may start several jobs, to its end."""
    return subprocess.run(
        [str(word) for word in (root / "spark-submit.sh", *arguments)],
        cwd=cwd, env=environment(cwd.parent / f"{cwd.name} home"), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=jobs * LIMIT_SECONDS,
    )  # fmt: skip


def succeed(*arguments: str | Path, cwd: Path, root: Path = ROOT, jobs: int = 1) -> subprocess.CompletedProcess[str]:
    """Runs ./spark-submit.sh, which must succeed."""
    ended = launch(*arguments, cwd=cwd, root=root, jobs=jobs)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


class Started:
    """A job under way."""

    def __init__(self, *arguments: str | Path, cwd: Path, run: Path, options: Sequence[str] = ()) -> None:
        self.path = run
        where = () if "--resume" in arguments else ("--output", run)
        words = [ROOT / "spark-submit.sh", *arguments, *where, *options]
        self.launcher = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd, env=environment(cwd.parent / "home"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Waits until something has happened; an error where the job ends before."""
        end = time.monotonic() + LIMIT_SECONDS
        while not reached():
            assert self.launcher.poll() is None, f"ended too early: {self.end()}"
            assert time.monotonic() < end, "has not happened"
            time.sleep(0.02)

    def wait_for_phase(self, name: str) -> None:
        """Waits until that phase has begun."""
        self.wait_until(lambda: any(one["name"] == name for one in phases(self.path)))

    def wait_for_driver(self) -> psutil.Process:
        """Waits until the Python that runs the job's own file is there."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            found[:] = self.processes(is_driver)
            return len(found) == 1

        self.wait_until(is_there)
        return found[0]

    def wait_for_epoch(self) -> None:
        """Waits until an epoch is finished and its model kept."""
        saved = self.path / "model" / "scorer" / "scorer.json"  # written after model.keras
        self.wait_until(lambda: len(history(self.path)) > 0 and saved.exists())

    def processes(self, pick: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
        """The processes below the launcher that are picked."""
        below = psutil.Process(self.launcher.pid).children(recursive=True)
        return [process for process in below if is_picked(process, pick)]

    def listening(self) -> list[str]:
        """The addresses at which its processes listen."""
        found: list[str] = []
        for process in self.processes(lambda _: True):
            with suppress(psutil.NoSuchProcess):
                found += [one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
        return found

    def end(self) -> str:
        """Waits for the end; what the job said."""
        return self.launcher.communicate(timeout=LIMIT_SECONDS)[0]

    def left_over(self) -> list[str]:
        """Processes that bear this run's mark in their environment, wherever they hang."""
        mark = f"{self.path}/tmp"
        return [text for text in (_told_by(process, mark) for process in psutil.process_iter()) if text]

    def kill(self) -> None:
        """Ends everything, after a test that failed."""
        if self.launcher.poll() is None:
            for process in self.processes(lambda _: True):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.launcher.kill()


def is_picked(process: psutil.Process, pick: Callable[[psutil.Process], bool]) -> bool:
    """Whether a process is picked; one that ends meanwhile, or has ended and is a zombie, is not."""
    try:
        return pick(process)
    except psutil.NoSuchProcess:
        return False


def is_java(process: psutil.Process) -> bool:
    """Whether it is the job's JVM."""
    return process.name() == "java"


def is_driver(process: psutil.Process) -> bool:
    """Whether it is the Python that runs the job's own file."""
    own = ("spark_jobs/train.py", "spark_jobs/tune.py")
    return process.name().startswith("python") and any(name in part for part in process.cmdline() for name in own)


def _told_by(process: psutil.Process, mark: str) -> str:
    try:
        return " ".join(process.cmdline())[:200] if process.environ().get("TMPDIR") == mark else ""
    except psutil.Error:
        return ""


def phases(run: Path) -> list[dict[str, Any]]:
    """The records of phases.jsonl, without one that is being written."""
    path = run / "resources" / "phases.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def history(run: Path) -> list[dict[str, str]]:
    """The rows of history.csv."""
    path = run / "history.csv"
    with path.open(newline="") if path.exists() else open(os.devnull) as file:
        return list(csv.DictReader(file))


def weights(run: Path) -> list[np.ndarray]:
    """The arrays of a run's model."""
    return quiet_keras().models.load_model(run / "model" / "model.keras").get_weights()


def check_same(run: Path, undisturbed: Path) -> None:
    """Losses of every epoch, weights and metrics, bit for bit."""
    losses = [
        [(row["epoch"], row["train_loss"], row["validation_loss"], row["rows"]) for row in history(one)]
        for one in (run, undisturbed)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == EPOCHS
    for one, other in zip(weights(run), weights(undisturbed), strict=True):
        np.testing.assert_array_equal(one, other)
    assert read_json(run / "metrics.json") == read_json(undisturbed / "metrics.json")


def check_sample_user(run: Path, found: pd.DataFrame) -> None:
    """Who is asked for alone gets the same."""
    sample = read_json(run / "recommendations.json")
    its = found[found["user"] == sample["user"]].sort_values("rank")
    best = load_recommender(run).recommend({one["movie_id"]: one["rating"] for one in sample["rated"]}, len(its))
    assert its["movie"].tolist() == [one["movie_id"] for one in best]
    np.testing.assert_allclose(its["score"], [one["score"] for one in best], rtol=1e-4)


def read_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
