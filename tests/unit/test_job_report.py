"""The report at the end of a profiled job, without Spark: the body of the job is a stand-in."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.errors import UserError
from spark_jobs.common import Run, run_job


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A job leaves Ctrl-C ignored, as it ends the process."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def load(run: Run) -> None:
    with run.phase("data_loading"):
        sum(range(1_000_000))


def refuse(run: Run) -> None:
    with run.phase("data_loading"):
        raise UserError("no rating is left: widen the selection")


def state(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


def test_a_profiled_run_has_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert run_job("prepare", load, ["--output", str(run)]) == 0
    page = (run / "report" / "index.html").read_text()
    assert "data_loading" in page and "succeeded" in page
    assert f"report: {run / 'report' / 'index.html'}" in capsys.readouterr().out.splitlines()
    assert state(run) == "succeeded"


def test_a_failed_run_has_one_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert run_job("prepare", refuse, ["--output", str(run)]) == 2
    assert "The run failed in data_loading: no rating is left" in (run / "report" / "index.html").read_text()
    assert state(run) == "failed"


def test_a_run_that_is_not_profiled_has_none(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert run_job("prepare", load, ["--output", str(run), "--profile", "off"]) == 0
    assert not (run / "report").exists() and state(run) == "succeeded"


def test_a_report_that_cannot_be_drawn_fails_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object) -> Path:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("monitor.report.make_report", broken)
    run = tmp_path / "run"
    assert run_job("prepare", load, ["--output", str(run)]) == 0
    assert "the report could not be made: RuntimeError: no fonts" in capsys.readouterr().out
    assert state(run) == "succeeded" and "Traceback" in (run / "run.log").read_text()
