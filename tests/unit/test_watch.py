"""The sidecar on real processes: programs with a known cost, kill -9, Ctrl-C, and how a watched command ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from processes import is_alive, wait_for

import monitor
from monitor import MonitorError, read_phases, read_samples
from monitor.cli import main
from monitor.records import Samples

ROOT = Path(__file__).parents[2]
BURNERS = ROOT / "tests" / "burners.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def watch(folder: Path, *command: str, interval: float = 0.1) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "monitor", "watch", "--output", str(folder), "--interval", str(interval), "--"]
    return subprocess.run([*words, *command], cwd=ROOT, capture_output=True, text=True, timeout=60)


def burner(tmp_path: Path, name: str, *arguments: object) -> tuple[Samples, dict[str, float]]:
    truth = tmp_path / "truth.json"
    done = watch(tmp_path / "run", sys.executable, str(BURNERS), name, str(truth), *map(str, arguments))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return read_samples(tmp_path / "run" / "resources"), json.loads(truth.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments"), [("short", (1.5, 40)), ("long", (1.5,)), ("orphan", (1.5,))])
def test_cpu_seconds_of_burners(name: str, arguments: tuple[float, ...], tmp_path: Path) -> None:
    found, truth = burner(tmp_path, name, *arguments)
    assert truth["cpu_seconds"] > 0.9 * arguments[0]
    assert sum(one.tree().cpu_seconds for one in found.samples) == pytest.approx(truth["cpu_seconds"], rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"), [("shared", (200, 4, 0.8)), ("private", (60, 4, 0.8)), ("copied", (120, 1.4))]
)
def test_peak_memory_of_burners(name: str, arguments: tuple[float, ...], tmp_path: Path) -> None:
    found, truth = burner(tmp_path, name, *arguments)
    assert found.begin is not None
    if not found.begin.pss:
        pytest.skip("this kernel gives no PSS")
    # looks during which no process came or went: else what processes share may be counted once more, or missed
    still = [
        one
        for one, after in pairwise(found.samples)
        if one.tree().processes == after.tree().processes and not one.vanished
    ]
    assert max(one.tree().pss_bytes for one in still) == pytest.approx(truth["pss_bytes"], rel=0.05)
    if name == "shared":  # what summed RSS would make of it
        assert max(one.tree().rss_bytes for one in found.samples) > 3 * truth["pss_bytes"]


def test_a_watched_command_is_one_phase_with_all_its_samples(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = watch(run, "sh", "-c", "echo out; echo err >&2; sleep 0.3; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    start, end = read_phases(run / "resources")
    assert (start["name"], end["name"], end["status"]) == ("command", "command", "failed")
    assert 0.3 <= end["wall_seconds"] == pytest.approx(end["mono"] - start["mono"], abs=1e-4)
    found = read_samples(run / "resources")
    assert found.end is not None and (found.end.why, found.end.samples) == ("asked", len(found.samples))
    assert found.samples[0].mono <= start["mono"] and end["mono"] <= found.samples[-1].mono
    assert sum(one.seconds > 0 for one in found.samples) >= 2
    written = json.loads((run / "run.json").read_text())
    assert (written["status"], written["exit_code"], written["command"][0]) == ("failed", 7, "sh")


def test_a_command_below_watch_records_its_own_phases(tmp_path: Path) -> None:
    code = "import monitor\nwith monitor.record() as m, m.phase('mine'): pass"
    assert watch(tmp_path / "run", sys.executable, "-c", code).returncode == 0
    assert [one["name"] for one in read_phases(tmp_path / "run" / "resources")] == ["mine", "mine"]


def test_record_without_a_directory_is_for_watched_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONITOR_RUN", raising=False)
    with pytest.raises(MonitorError, match="name a directory"), monitor.record():
        pass


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--output", "{run}", "--", "true"], "has a run's samples already: name a new directory"),
        (["--output", "{new}", "--interval", "0.01", "--", "true"], "must be from 0.05 to 60"),
        (["--output", "{new}"], "no command: put it behind --"),
        (["--", "true"], "--output is missing"),
        (["--output", "{file}/run", "--", "true"], "cannot be written"),
        (["--speed", "3", "--", "true"], "unrecognized arguments: --speed"),
    ],
)
def test_refusals_in_one_line(words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run" / "resources").mkdir(parents=True)
    (tmp_path / "run" / "resources" / "samples.jsonl").touch()
    (tmp_path / "file").touch()
    names = {name: str(tmp_path / name) for name in ("run", "new", "file")}
    assert main(["watch", *(word.format(**names) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("monitor: ") and told in error and error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    done = watch(tmp_path / "run", "no-such-command")
    assert (done.returncode, done.stdout, done.stderr) == (127, "", "monitor: no-such-command: not found\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on_and_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, time\n"
        "def told(number, frame): open(sys.argv[1] + '/told', 'w').write(str(number)); sys.exit(9)\n"
        "signal.signal(signal.SIGINT, told); signal.signal(signal.SIGTERM, told)\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    open(sys.argv[1] + '/left', 'w').write(str(os.getpid())); time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    run = tmp_path / "run"
    words = ["-m", "monitor", "watch", "--output", str(run), "--interval", "0.1", "--", sys.executable, "-c", code]
    watcher = subprocess.Popen([sys.executable, *words, str(tmp_path)], cwd=ROOT)
    left = tmp_path / "left"
    wait_for(lambda: left.exists() and left.read_text())
    watcher.send_signal(number)
    assert watcher.wait(30) == 9
    assert (tmp_path / "told").read_text() == str(int(number))
    assert not is_alive(int(left.read_text()))
    found = read_samples(run / "resources")
    assert found.begin is not None and not is_alive(found.begin.pid)
    assert read_phases(run / "resources")[-1]["status"] == "failed"


def test_ctrl_c_in_a_terminal_comes_once(tmp_path: Path) -> None:
    code = (
        "import signal, time\n"
        "times = []\n"
        "signal.signal(signal.SIGINT, lambda number, frame: times.append(number))\n"
        "print('ready', flush=True)\n"
        "while not times: time.sleep(0.02)\n"
        "time.sleep(0.5)\n"
        "print('interrupted', len(times), 'times', flush=True)\n"
    )
    words = ["-m", "monitor", "watch", "--output", str(tmp_path / "run"), "--", sys.executable, "-c", code]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, *words])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while b"times" not in said:
        said += os.read(terminal, 1000)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert b"interrupted 1 times" in said
    end = read_samples(tmp_path / "run" / "resources").end
    assert end is not None and end.why == "asked"  # and the sidecar heard nothing of it


def test_what_cannot_be_run_leaves_no_sidecar(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"\x7fELF nonsense")
    script.chmod(0o755)
    done = watch(tmp_path / "run", str(script))
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr == f"monitor: {script}: Exec format error\n"
    assert read_samples(tmp_path / "run" / "resources").end is not None


def test_a_command_killed_by_a_signal(tmp_path: Path) -> None:
    assert watch(tmp_path / "run", "sh", "-c", "kill -KILL $$").returncode == 128 + 9


def test_kill_9_in_the_middle_of_a_phase(tmp_path: Path) -> None:
    code = (
        "import sys, monitor\n"
        "with monitor.record(sys.argv[1], interval=0.1) as m, m.phase('model_training'):\n"
        "    print('ready', flush=True)\n"
        "    while True: sum(range(1000))\n"
    )
    watched = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert watched.stdout is not None and watched.stdout.readline() == b"ready\n"
    time.sleep(1)
    killed = time.monotonic()
    watched.kill()
    watched.wait()
    # nobody holds the other end of the pipe: the sidecar has inherited nothing
    assert watched.stdout.read() == b""
    resources = tmp_path / "resources"
    wait_for(lambda: read_samples(resources).end)
    found = read_samples(resources)
    assert found.begin is not None and found.end is not None
    wait_for(lambda: not is_alive(found.begin.pid if found.begin else 0))
    assert found.end.why == "root ended"
    assert max(one.mono for one in found.samples if one.tree().processes) > killed - 1
    assert sum(one.tree().cpu_seconds for one in found.samples) > 0.3
    assert monitor.unfinished_phase(resources) == "model_training"


def test_a_sidecar_keeps_to_itself(tmp_path: Path) -> None:
    inherited = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        sidecar = monitor.start_sidecar(tmp_path, interval=0.1)
        pid = sidecar.pid
        assert pid is not None
        assert read_samples(tmp_path).samples  # there at once
        assert os.getsid(pid) == os.getpgid(pid) == pid  # Ctrl-C in a terminal does not reach it
        opened = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
        assert opened == {os.devnull, str(tmp_path / "samples.jsonl")}
    finally:
        os.close(inherited)
    sidecar.stop()
    sidecar.stop()
    assert not is_alive(pid)
    found = read_samples(tmp_path)
    assert found.end is not None and (found.end.why, found.end.samples) == ("asked", len(found.samples))
    assert found.samples[-1].roles["sidecar"].processes == 1


def test_a_fork_of_the_job_does_not_stop_its_sidecar(tmp_path: Path) -> None:
    sidecar = monitor.start_sidecar(tmp_path, interval=0.1)
    child = os.fork()
    if child == 0:
        sidecar.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert sidecar.pid is not None and is_alive(sidecar.pid) and read_samples(tmp_path).end is None
    sidecar.stop()


def test_record_samples_by_itself_and_stops_on_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), monitor.record(tmp_path, interval=0.1), monitor.phase("x"):
        1 / 0  # noqa: B018
    found = read_samples(tmp_path / "resources")
    assert found.begin is not None and found.begin.root_pid == os.getpid()
    assert found.end is not None and not is_alive(found.begin.pid)
    assert len(read_phases(tmp_path / "resources")) == 2


def test_a_job_goes_on_when_its_monitor_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.warns(UserWarning, match="nothing is sampled") as told, monitor.record(tmp_path), monitor.phase("x"):
        pass
    assert len(told) == 1
    assert len(read_phases(tmp_path / "resources")) == 2
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.warns(UserWarning, match="ended at once"):
        monitor.start_sidecar(tmp_path)


def test_from_an_archive_and_from_any_directory(tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (ROOT / "monitor").rglob("*.py"):
            packed.write(path, path.relative_to(ROOT))
    (tmp_path / "monitor.py").write_text("raise SystemExit('the wrong one')")
    code = (
        "import sys; sys.path[0] = sys.argv[1]\nimport monitor\nwith monitor.record(sys.argv[2], interval=0.1): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(archive), str(tmp_path / "run")], cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0
    assert read_samples(tmp_path / "run" / "resources").end is not None


def test_the_root_is_the_jvm_of_spark_submit(tmp_path: Path) -> None:
    # a shell that bears the name of spark-submit's class stands for the JVM
    code = "import sys, monitor; monitor.start_sidecar(sys.argv[1], interval=0.1).stop()"
    script = f'"{sys.executable}" -c "{code}" "$2"; exit 0'
    words = ["bash", "-c", script, "java", "org.apache.spark.deploy.SparkSubmit", str(tmp_path)]
    parent = subprocess.Popen(words, cwd=ROOT)
    assert parent.wait(30) == 0
    begin = read_samples(tmp_path).begin
    assert begin is not None and begin.root_pid == parent.pid


def test_no_warning_where_all_is_well(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.start_sidecar(tmp_path, interval=0.1).stop()
