"""Phases: what is written when, and what is known of a run that ended before its time."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import monitor
from monitor import Recorder, read_phases, unfinished_phase
from monitor.records import PhaseRecord

ROOT = Path(__file__).parents[2]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "phases.jsonl").read_text().splitlines()]


def test_a_phase_leaves_a_line_at_its_start_and_one_at_its_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    with recorder.phase("data_loading"):
        (start,) = lines(tmp_path)
        assert recorder.current == "data_loading"
    assert recorder.current is None
    again, end = lines(tmp_path)
    assert again == start
    assert (start["event"], start["name"], start["pid"]) == ("start", "data_loading", os.getpid())
    assert set(end) == {"event", "name", "start", "end", "wall_seconds", "status", "mono", "host"}
    assert (end["event"], end["name"], end["start"], end["status"]) == ("end", "data_loading", start["start"], "done")
    began, ended = (datetime.fromisoformat(end[key]) for key in ("start", "end"))
    assert began.tzinfo == ended.tzinfo == timezone.utc
    assert timedelta(0) <= ended - began
    assert end["wall_seconds"] >= 0
    assert end["mono"] - start["mono"] == pytest.approx(end["wall_seconds"], abs=2e-6)
    assert start["host"] == end["host"] == platform.node()


def test_a_failed_phase_is_recorded_and_its_error_goes_on(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    with pytest.raises(ZeroDivisionError), recorder.phase("model_training"):
        1 / 0  # noqa: B018
    assert lines(tmp_path)[-1]["status"] == "failed"
    assert recorder.current == "model_training"  # what a job tells as the place of the failure
    assert unfinished_phase(tmp_path) == "model_training"


def test_ctrl_c_is_a_failure_as_well(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    with pytest.raises(KeyboardInterrupt), recorder.phase("model_training"):
        raise KeyboardInterrupt
    assert lines(tmp_path)[-1]["status"] == "failed"


def test_a_phase_within_a_phase(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)

    def body() -> None:
        with recorder.phase("outer"):
            with recorder.phase("inner"):
                assert recorder.current == "inner"
            assert recorder.current == "outer"
            assert unfinished_phase(tmp_path) == "outer"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert recorder.current == "outer"
    assert [(line["event"], line["name"]) for line in lines(tmp_path)] == [
        ("start", "outer"),
        ("start", "inner"),
        ("end", "inner"),
        ("end", "outer"),
    ]


def test_who_listens_hears_every_record(tmp_path: Path) -> None:
    heard: list[PhaseRecord] = []
    with monitor.record(tmp_path, heard.append, interval=None), monitor.phase("data_loading"):
        assert [one["event"] for one in heard] == ["start"]
    assert heard == lines(tmp_path / "resources")


def test_without_a_recorder_a_phase_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with monitor.phase("data_loading"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_recorder_within_a_recorder_gives_way_when_it_is_done(tmp_path: Path) -> None:
    with monitor.record(tmp_path / "one", interval=None):
        with monitor.phase("first"):
            pass
        with pytest.raises(ZeroDivisionError), monitor.record(tmp_path / "two", interval=None), monitor.phase("second"):
            1 / 0  # noqa: B018
        with monitor.phase("third"):
            pass
    with monitor.phase("fourth"):
        pass
    assert [line["name"] for line in read_phases(tmp_path / "one" / "resources")] == [
        "first",
        "first",
        "third",
        "third",
    ]
    assert [line["name"] for line in read_phases(tmp_path / "two" / "resources")] == ["second", "second"]


def start(name: str) -> dict[str, str]:
    return {"event": "start", "name": name}


def end(name: str, status: str = "done") -> dict[str, str]:
    return {"event": "end", "name": name, "status": status}


@pytest.mark.parametrize(
    ("records", "unfinished"),
    [
        ([], None),
        ([start("a"), end("a")], None),
        ([start("a")], "a"),
        ([start("a"), end("a"), start("b")], "b"),
        ([start("a"), end("a"), start("b"), end("b", "failed")], "b"),
        ([start("a"), end("a", "failed"), start("b"), end("b")], None),
        ([start("a"), start("b"), end("b")], "a"),
        ([start("a"), start("b"), end("b", "failed"), end("a", "failed")], "b"),
    ],
)
def test_the_phase_in_which_a_run_ended(records: list[dict[str, str]], unfinished: str | None, tmp_path: Path) -> None:
    (tmp_path / "phases.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert unfinished_phase(tmp_path) == unfinished


def test_no_file_is_no_phase(tmp_path: Path) -> None:
    assert read_phases(tmp_path / "nowhere") == []
    assert unfinished_phase(tmp_path / "nowhere") is None


def test_every_cut_of_the_file_can_be_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for name in ("one", "two"):
        with recorder.phase(name):
            pass
    whole, records = recorder.path.read_bytes(), lines(tmp_path)
    for size in range(len(whole) + 1):
        recorder.path.write_bytes(whole[:size])
        found = read_phases(tmp_path)
        # a last line may be whole but for its end
        assert len(found) in (whole[:size].count(b"\n"), whole[: size + 1].count(b"\n"))
        assert found == records[: len(found)]
        assert unfinished_phase(tmp_path) == [None, "one", None, "two", None][len(found)]


def test_a_killed_process_leaves_the_phase_that_it_was_in(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, monitor\n"
        "with monitor.record(sys.argv[1], interval=None), monitor.phase('model_training'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, timeout=60)
    assert done.returncode == -9
    assert unfinished_phase(tmp_path / "resources") == "model_training"


def test_monitor_brings_nothing_heavy_and_nothing_of_ours() -> None:
    code = "import sys, monitor; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(told.stdout.split())
    assert "monitor" in loaded
    assert not loaded & {"recsys", "spark_jobs", "pyspark", "tensorflow", "keras", "elephas", "pandas", "matplotlib"}
