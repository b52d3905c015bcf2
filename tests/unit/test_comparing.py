"""The job compare with a launcher that makes runs by hand: order, resuming, failures, and Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.compare.capability import Capability, Rates, write_capability
from spark_jobs.compare import main
from spark_jobs.comparison import compare as _comparing
from spark_jobs.comparison.journal import reason_of

ROOT = Path(__file__).parents[2]
# notes how it was called; fails, waits or is a user's mistake as the settings' epochs say
FAKE = f"""#!{sys.executable}
import json, os, signal, sys, time
from pathlib import Path
sys.path.append({str(Path(__file__).parent)!r})
from recsys.config.load import load_config
from runs_to_compare import make_run

job, *words = sys.argv[1:]
options = dict(zip(words[::2], words[1::2]))
configs = [value for key, value in zip(words[::2], words[1::2]) if key == "--config"]
config, output = load_config(configs), Path(options["--output"])
if config.spark:
    assert config.spark["spark.x.token"] == "hush"
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps([job, output.name, config.data.data_dir, config.training.workers]) + "\\n")
print("hello from", output.name, flush=True)
if job == "fetch":
    sys.exit(0)
epochs, workers = config.training.epochs, config.training.workers
if epochs == 7 and not Path(os.environ["CALLS"]).with_name("mended").exists():
    make_run(output, [("load", 1.0, 1.0, 1.0)], workers, failed="OutOfMemoryError: heap")
    sys.exit(1)
if epochs == 11:
    make_run(output, [("load", 1.0, 1.0, 1.0)], workers, failed="memory limit of 1 MB exceeded: 2 MB")
    ended = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps(ended | {{"does_not_fit": True, "phase": "load"}}))
    sys.exit(1)
stopped = "training.max_seconds = 60: after epoch 5 of 9" if epochs == 9 else None
if epochs == 2:
    print("howdah: no such file", file=sys.stderr)
    sys.exit(2)
if epochs == 99:
    output.mkdir(parents=True)
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    time.sleep(60)
settings = f"[data]\\nyear_from = 1950\\nyear_to = {{config.data.year_to}}" if config.data.year_to else ""
make_run(output, [("load", 8.0 / workers, 1.0, 1.0)], workers, settings=settings, losses=(0.1, 0.2),
    stopped=stopped)
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[object]]]:
    """Compares with the fake launcher, in `tmp_path`; what it was called with since last asked."""
    launcher, log = tmp_path / "launcher", tmp_path / "calls"
    launcher.write_text(FAKE)
    launcher.chmod(0o755)
    monkeypatch.setenv("CALLS", str(log))
    monkeypatch.setattr(_comparing, "LAUNCHER", launcher)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(
        _comparing, "measure_capability", lambda counts: Capability("box", 2, tuple(Rates(n, n, n) for n in counts))
    )

    def called() -> list[list[object]]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    return called


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself is left out: drawing takes longer than all else."""
    monkeypatch.setattr(_comparing, "make_comparison", lambda runs, folder, *_: _told(folder))


def _told(folder: Path) -> Path:
    (folder / "compare.md").write_text("compared")
    return folder / "index.html"


def rows(out: Path) -> list[tuple[str, str, str]]:
    with (out / "grid.csv").open(newline="") as file:
        return [(row["run"], row["status"], row["reason"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_data_once_then_every_run_then_the_comparison(calls, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["--workers", "1", "4", "--repeat", "2", "--output", str(out)]) == 0
    data = str(out / "data")
    fetched, *trained = calls()
    assert fetched == ["fetch", "fetch-0", data, os.cpu_count()]
    assert trained == [
        ["train", "quickstart-1w-1", data, 1], ["train", "quickstart-4w-1", data, 4],
        ["train", "quickstart-1w-2", data, 1], ["train", "quickstart-4w-2", data, 4],
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "[run 2/4] quickstart-4w-1: about " in said and "    hello from quickstart-4w-2\n" in said
    assert "4W: the whole run is 4.00 times as fast, 100 % of the 4.00 that the machine gives" in said
    assert (out / "index.html").is_file() and "4.00×" in (out / "compare.md").read_text()
    assert (out / "logs" / "quickstart-1w-1.log").read_text() == "hello from quickstart-1w-1\n"
    assert [row[1] for row in rows(out)] == ["succeeded"] * 4


def test_secrets_reach_the_runs_and_stay_nowhere(calls, undrawn, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    secret = ("--set", 'spark.spark.x.token="hush"', "--", "--conf", "spark.my.password=hush")
    assert main(["--workers", "1", "--output", str(tmp_path / "out"), *secret]) == 0
    assert [name for _, name, *_ in calls()] == ["fetch-0", "quickstart-1w-1"]  # which were given it
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "launcher"]
    assert len(left) > 3 and not any(b"hush" in path.read_bytes() for path in left)


def test_what_succeeded_is_not_run_again_and_what_was_broken_off_is(calls, undrawn, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["--workers", "1", "2", "--output", str(out)]
    assert main(argv) == 0
    calls()
    assert main(argv) == 0
    assert calls() == []
    assert "quickstart-1w-1: succeeded before, kept" in capsys.readouterr().out
    notes = json.loads((out / "compare.json").read_text())
    notes["runs"][1]["status"] = "running"
    (out / "compare.json").write_text(json.dumps(notes))
    (out / "runs" / "quickstart-2w-1" / "half").write_text("")
    assert main([*argv, "--repeat", "2"]) == 0  # more of the same goes on from there
    assert [call[1] for call in calls()] == ["quickstart-2w-1", "quickstart-1w-2", "quickstart-2w-2"]
    assert not (out / "runs" / "quickstart-2w-1" / "half").exists()


def test_other_settings_do_not_mix_with_finished_runs(calls, undrawn, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["--workers", "1", "--output", out]) == 0
    assert main(["--workers", "1", "--set", "seed=5", "--output", out]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"howdah: --output {out}: its run quickstart-1w-1 had other settings (seed)")
    # a price changes no run
    calls()
    assert main(["--workers", "1", "--set", "cost.core_hour=9", "--output", out]) == 0
    # nor does another place for the whole
    (tmp_path / "out").rename(tmp_path / "moved")
    assert main(["--workers", "1", "--output", str(tmp_path / "moved")]) == 0
    assert calls() == []


@pytest.mark.slow
def test_a_grid_goes_on_after_a_failure_and_keeps_it_until_asked(calls, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["--grid", "training.epochs=1,7,3", "--workers", "1", "--output", str(out)]
    assert main(argv) == 0
    assert rows(out) == [
        ("quickstart-epochs=1-1w-1", "succeeded", ""),
        ("quickstart-epochs=7-1w-1", "failed", "OutOfMemoryError: heap"),
        ("quickstart-epochs=3-1w-1", "succeeded", ""),
    ]
    assert (out / "grid-training.epochs.png").is_file()
    assert "OutOfMemoryError: heap" in (out / "index.html").read_text()
    assert "quickstart-epochs=7-1w-1 failed: OutOfMemoryError: heap" in capsys.readouterr().err
    calls()
    assert main(argv) == 0 and calls() == []
    (tmp_path / "mended").touch()
    assert main([*argv, "--retry"]) == 0
    assert [call[1] for call in calls()] == ["quickstart-epochs=7-1w-1"]
    assert [status for _, status, _ in rows(out)] == ["succeeded"] * 3


@pytest.mark.slow
def test_a_run_that_does_not_fit_is_a_row_and_the_others_go_on(calls, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["--grid", "training.epochs=11,3", "--workers", "1", "--output", str(out)]
    assert main(argv) == 0
    reason = "memory limit of 1 MB exceeded: 2 MB (in load)"
    assert rows(out) == [
        ("quickstart-epochs=11-1w-1", "does not fit", reason), ("quickstart-epochs=3-1w-1", "succeeded", ""),
    ]  # fmt: skip
    page = (out / "index.html").read_text()
    assert f"does not fit: {reason}" in page and "quickstart-epochs=11-1w-1 does not fit in memory" in page
    assert f"| does not fit: {reason} |" in (out / "compare.md").read_text()
    calls()
    assert main(argv) == 0 and calls() == []
    assert main([*argv, "--retry"]) == 0
    assert [call[1] for call in calls()] == ["quickstart-epochs=11-1w-1"]


def test_where_no_run_fits_the_grid_is_whole_all_the_same(calls, undrawn, tmp_path):
    argv = ["--set", "training.epochs=11", "--output", str(tmp_path / "out")]
    assert main(["--grid", "workers=1,2", *argv]) == 0
    assert [status for _, status, _ in rows(tmp_path / "out")] == ["does not fit"] * 2
    assert main(["--workers", "1", *argv[:2], "--output", str(tmp_path / "plain")]) == 1


def test_a_run_that_a_time_limit_stopped_has_figures_and_is_shown_as_stopped(calls, undrawn, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["--workers", "1", "--set", "training.epochs=9", "--output", str(out)]
    assert main(argv) == 0
    assert rows(out) == [("quickstart-1w-1", "stopped", "training.max_seconds = 60: after epoch 5 of 9")]
    with (out / "grid.csv").open(newline="") as file:
        assert [row["test_loss"] for row in csv.DictReader(file)] == ["0.2"]
    calls()
    assert main([*argv, "--retry"]) == 0 and calls() == []
    said = capsys.readouterr()
    assert "quickstart-1w-1: stopped before, kept" in said.out and said.err == ""


def test_a_failed_run_fails_a_plain_comparison_and_a_mistake_ends_it(calls, undrawn, tmp_path, capsys):
    assert main(["--workers", "1", "--set", "training.epochs=7", "--output", str(tmp_path / "failed")]) == 1
    assert len(calls()) == 2
    assert main(["--workers", "1", "2", "--set", "training.epochs=2", "--output", str(tmp_path / "out")]) == 2
    assert [call[0] for call in calls()] == ["fetch", "train"]
    assert "howdah: no such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (["Error: JNI", 'Exception in thread "main" Invalid maximum heap size: -Xmx1q'], ": Error: JNI (in load)"),
        (["x.SomeException: a", "java.lang.OutOfMemoryError: heap"], ": java.lang.OutOfMemoryError: heap (in load)"),
        (["INFO all is well"], " (in load)"),
    ],
)
def test_a_killed_jvm_has_its_reason_from_its_log(tmp_path, log, reason):
    (tmp_path / "run.json").write_text('{"status": "failed", "error": "killed (exit code 1)", "phase": "load"}')
    (tmp_path / "spark.log").write_text("\n".join(log))
    assert reason_of(tmp_path, tmp_path / "absent.log", 1) == f"killed (exit code 1){reason}"


def test_without_a_run_the_screen_tells_the_reason(tmp_path):
    (tmp_path / "log").write_text("hello\nhowdah: no user is left\nbye\n")
    assert reason_of(tmp_path / "absent", tmp_path / "log", 2) == "no user is left"
    assert reason_of(tmp_path / "absent", tmp_path / "absent", 137) == "exit code 137"


@pytest.mark.parametrize("text", ["", '{"runs": [{"na', '{"runs": [{"nane": "x"}], "fetched": []}', "[]"])
def test_notes_that_are_cut_off_are_refused_by_name(calls, tmp_path, capsys, text):
    (tmp_path / "out" / "compare.json").write_text(text)
    assert main(["--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'out' / 'compare.json'}: cannot be read" in said and said.count("\n") == 1
    assert calls() == []


def test_a_directory_with_something_else_is_left_alone(calls, tmp_path, capsys):
    (tmp_path / "out" / "mine").touch()
    assert main(["--output", str(tmp_path / "out")]) == 2
    assert "is not empty and is no comparison: name a new directory" in capsys.readouterr().err
    assert calls() == []


def test_ctrl_c_reaches_the_run_and_the_next_call_goes_on(calls, tmp_path):
    out = tmp_path / "out"
    write_capability(Capability("box", 2, (Rates(1, 1, 1),)), out)
    (out / "compare.json").write_text('{"runs": [], "fetched": []}')
    argv = ["--grid", "training.epochs=1,99", "--workers", "1", "--output", str(out)]
    code = (
        "import sys; from pathlib import Path; from spark_jobs.compare import main\n"
        "from spark_jobs.comparison import compare as _comparing\n"
        "_comparing.LAUNCHER = Path(sys.argv[1]); sys.exit(main(sys.argv[2:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "launcher"), *argv],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (out / "runs" / "quickstart-epochs=99-1w-1").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.2)  # it sets its handler at once after that
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert f"stopped; to continue: howdah compare ... --output {out}" in said
    notes = {run["name"]: run["status"] for run in json.loads((out / "compare.json").read_text())["runs"]}
    assert notes == {"quickstart-epochs=1-1w-1": "succeeded", "quickstart-epochs=99-1w-1": "running"}
    assert rows(out) == [("quickstart-epochs=1-1w-1", "succeeded", "")]
