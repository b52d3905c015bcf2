"""Sources of measurements: which there are, and psutil held against /proc on a process with a known cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import wait_for

import monitor
from monitor import MonitorError, read_samples
from monitor.records import Samples
from monitor.sources import SOURCES, open_source, source_name

# burns CPU for 2 s with 150 MB that it has written to, waits for a word, and says what it used
BURNER = """
import json, os, sys
held = bytearray(150 << 20)
held[::4096] = b"x" * len(held[::4096])
while sum(os.times()[:2]) < 2.0:
    sum(range(10000))
print("burnt", flush=True)
sys.stdin.readline()
print(json.dumps(sum(os.times()[:2])), flush=True)
sys.stdin.readline()
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="holds psutil against /proc")


def test_proc_comes_first_where_it_is() -> None:
    assert list(SOURCES) == ["proc", "psutil"]
    assert source_name() == "proc"
    assert type(open_source()).__name__ == "ProcSource"


def test_without_proc_it_is_psutil(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("monitor.sources.proc.PROC", tmp_path)
    assert source_name() == "psutil"
    assert type(open_source()).__name__ == "PsutilSource"


def test_a_source_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(MonitorError, match=r"^source 'dtrace': unknown: name one of proc, psutil$"):
        open_source("dtrace")


def test_a_system_without_any_source_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("monitor.sidecar.source_name", lambda: None)
    with pytest.warns(UserWarning, match="nothing is sampled: this system has no /proc, and psutil is not installed"):
        assert monitor.start_sidecar(tmp_path).pid is None


def test_one_process_is_the_same_in_both_sources() -> None:
    pid, parent = os.getpid(), os.getppid()
    proc, psutil = open_source("proc"), open_source("psutil")
    mine, same = proc.stat(pid), psutil.stat(pid)
    assert mine is not None and same is not None
    assert (same.pid, same.parent_pid, same.name, same.ended) == (pid, parent, mine.name, False)
    assert same.key == psutil.stat(pid).key  # type: ignore[union-attr]
    used, again = (stat.cpu_ticks / source.ticks_per_second for stat, source in ((mine, proc), (same, psutil)))
    assert again == pytest.approx(used, abs=0.5)
    assert same.rss_bytes == pytest.approx(mine.rss_bytes, rel=0.1)
    assert proc.command(pid) == psutil.command(pid)
    assert {1, pid} <= psutil.pids()
    assert psutil.memory_bytes()[0] == proc.memory_bytes()[0]
    child = subprocess.Popen(["true"])
    zombie = psutil.stat(child.pid)
    wait_for(lambda: (stat := psutil.stat(child.pid)) is not None and stat.ended)
    assert zombie is not None and zombie.parent_pid == pid
    child.wait()
    assert [psutil.stat(child.pid), psutil.io(child.pid), psutil.switches(child.pid)] == [None] * 3
    assert psutil.command(child.pid) == []


def test_the_first_look_at_the_machine_has_no_percentages() -> None:
    source = open_source("psutil")
    first, second = source.machine(), source.machine()
    assert (first.cpu_percent, first.core_percent, first.network_sent_bytes) == (None, None, 0)
    assert second.cpu_percent is not None and 0 <= second.cpu_percent <= 100
    assert second.core_percent is not None and len(second.core_percent) == os.cpu_count()
    assert second.memory_used_bytes + second.memory_available_bytes == source.memory_bytes()[0]


def test_a_burner_costs_the_same_by_both_sources(tmp_path: Path) -> None:
    burner = subprocess.Popen(
        [sys.executable, "-c", BURNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert burner.stdin is not None and burner.stdout is not None
    sidecars = [
        monitor.start_sidecar(tmp_path, burner.pid, 0.1, file_name=f"{name}.jsonl", source=name) for name in SOURCES
    ]
    assert burner.stdout.readline() == "burnt\n"
    print("go on", file=burner.stdin, flush=True)
    used = json.loads(burner.stdout.readline())
    for sidecar in sidecars:
        sidecar.stop()
    burner.communicate("end\n", timeout=30)
    proc, psutil = (read_samples(tmp_path / f"{name}.jsonl") for name in SOURCES)
    assert proc.begin is not None and psutil.begin is not None
    assert (psutil.begin.pss, psutil.begin.root_pid, psutil.begin.cores) == (False, burner.pid, proc.begin.cores)
    assert psutil.begin.clock_ticks == 1_000_000
    # what it used before the first sample is in neither
    assert 0.8 * used < cpu_seconds(psutil) <= used + 0.05
    assert cpu_seconds(psutil) == pytest.approx(cpu_seconds(proc), abs=0.3)
    assert rss_at_end(psutil) == pytest.approx(rss_at_end(proc), rel=0.03)
    assert 150 << 20 < rss_at_end(psutil) < 180 << 20
    last = psutil.samples[-1]
    assert last.roles["driver"].pss_bytes == last.roles["driver"].rss_bytes
    assert last.roles["sidecar"].processes == 1 and last.roles["sidecar"].rss_bytes > 0


def cpu_seconds(found: Samples) -> float:
    return sum(sample.tree().cpu_seconds for sample in found.samples)


def rss_at_end(found: Samples) -> int:
    return found.samples[-1].tree().rss_bytes
