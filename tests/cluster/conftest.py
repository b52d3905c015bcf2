"""One trained run and one prepared data set for all of these tests, and clusters."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compare_data import make_small_ratings
from environments import make_environment
from fake_java import copy_checkout
from launching import EPOCHS, TINY, succeed
from shared_folders import Ended, made_once
from standalone import OnCluster, running_cluster, train_on


@dataclass(frozen=True)
class Trained:
    """A finished run of train: from a checkout and a directory with blanks in their names, its home being empty."""

    path: Path
    checkout: Path
    cwd: Path
    settings: Path
    ended: subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Compared:
    """A finished comparison of 1 worker with 2: its folder, and the arguments that it was made with."""

    path: Path
    arguments: tuple[str, ...]
    ended: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    arguments = ("compare", "--config", "./small.toml", "--workers", "1", "2", "--output", "out")

    def make(place: Path) -> Ended:
        return succeed(*arguments, cwd=make_small_ratings(place / "here"), jobs=3)

    place, ended = made_once(tmp_path_factory, "comparing", make)
    return Compared(place / "here" / "out", arguments, ended)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    def make(place: Path) -> Ended:
        (place / "tiny.toml").write_text(TINY)
        (place / "current directory").mkdir()
        arguments = ("train", "--config", place / "tiny.toml", "--output", "the run")
        return succeed(*arguments, cwd=place / "current directory", root=copy_checkout(place / "check out"))

    place, ended = made_once(tmp_path_factory, "some place", make)
    cwd = place / "current directory"
    return Trained(cwd / "the run", place / "check out", cwd, place / "tiny.toml", ended)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, settings: Path) -> Path:
    """What the job prepare leaves of the same data, called where other packages of our names lie."""

    def make(place: Path) -> Ended:
        for name in ("recsys", "monitor", "spark_jobs"):  # as in another checkout
            (place / name).mkdir()
            (place / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
        return succeed("prepare", "--config", settings, "--profile", "off", "--output", "prepared", cwd=place)

    return made_once(tmp_path_factory, "preparing", make)[0] / "prepared"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, settings: Path, prepared: Path) -> Path:
    """A run of EPOCHS epochs that nothing happened to: what those must equal that something happens to."""
    own = ["--config", settings, "--prepared", prepared, "--set", f"training.epochs={EPOCHS}"]

    def make(place: Path) -> Ended:
        return succeed("train", *own, "--profile", "off", "--output", "run", cwd=place)

    return made_once(tmp_path_factory, "undisturbed", make)[0] / "run"


@pytest.fixture(scope="session")
def on_cluster(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Iterator[OnCluster]:
    """The same as `trained`, on a cluster that has not got howdah, and that still runs."""
    place = tmp_path_factory.mktemp("on a cluster")
    python = make_environment(place / "environment without howdah")
    with running_cluster(place / "cluster") as cluster:
        yield train_on(cluster, trained.settings, place, python)
