"""Two runs into one directory: one has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from recsys.errors import UserError
from spark_jobs.launcher.lock import LOCK, alone
from spark_jobs.run.directory import create


def test_of_runs_that_begin_at_once_one_gets_the_directory(tmp_path: Path) -> None:
    started = Barrier(8)

    def begin(place: Path) -> str:
        started.wait()
        try:
            create(place)
        except UserError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            place = tmp_path / str(number)
            said = list(pool.map(begin, [place] * 8))
            assert said.count("") == 1
            assert set(said) == {"", f"--output {place}: is not empty: name a new directory, or remove this one"}


def test_a_directory_is_free_again_when_its_process_has_ended(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(UserError, match="another run is using it"), alone(tmp_path):
        pytest.fail("two at once")
    with alone(tmp_path):
        pass
    (tmp_path / LOCK).write_text("")  # of one that was killed
    with alone(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_under_way_is_not_gone_on_with(java, cwd) -> None:
    run = cwd / "run"
    run.mkdir()
    (run / "config.toml").write_text('name = "mine"\n')
    with alone(run):
        refused = java.launch("train", "--resume", "run", cwd=cwd)
    assert refused.returncode == 2 and not java.started
    assert refused.stderr == f"howdah: {run}: another run is using it: wait for its end\n"
    assert [path.name for path in run.iterdir()] == ["config.toml"]
    java.launch("train", "--resume", "run", cwd=cwd)
    assert java.started
