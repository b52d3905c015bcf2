"""The sampling loop: its schedule, its clocks, its end; by a clock that a test winds."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_proc import FakeProc

from monitor.errors import MonitorError
from monitor.records import RoleUsage, Samples, read_samples
from monitor.sampler import loop
from monitor.sampler.loop import Clock, LineFile, Schedule, checked_interval, sample_tree
from monitor.sources.proc import ProcSource
from monitor.spark.executor import sample_executors

ROOT = 100


class HandClock(Clock):
    """Goes on only by waiting, and by what a test adds; `happen[n]` is called in the n-th wait."""

    def __init__(self, happen: dict[int, Callable[[], int | None]], most: int = 50) -> None:
        self.mono, self.epoch = 1000.0, 1_700_000_000.0
        self.waits = 0
        self._happen = happen
        self._most = most

    def monotonic(self) -> float:
        return self.mono

    def wall(self) -> float:
        return self.epoch

    def wait(self, seconds: float) -> int | None:
        self.waits += 1
        assert self.waits < self._most
        self.mono += max(0.0, seconds)
        self.epoch += max(0.0, seconds)
        return self._happen.get(self.waits, lambda: None)()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProc:
    fake = FakeProc(tmp_path / "proc")
    fake.set(ROOT)
    monkeypatch.setattr(loop, "open_source", lambda: ProcSource(fake.root))
    return fake


def sample(folder: Path, clock: Clock, interval: float = 0.5) -> Samples:
    folder.mkdir()
    sample_tree(folder, ROOT, interval, clock=clock)
    return read_samples(folder)


def asked() -> int:
    return signal.SIGTERM


def test_samples_come_at_their_time(fake: FakeProc, tmp_path: Path) -> None:
    found = sample(tmp_path / "out", HandClock({4: asked}))
    assert [one.mono for one in found.samples] == [1000.0, 1000.5, 1001.0, 1001.5, 1002.0]
    assert [one.seconds for one in found.samples] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert [(one.late_seconds, one.missed) for one in found.samples] == [(0.0, 0)] * 5
    begin, end = found.begin, found.end
    assert begin is not None and end is not None
    assert (begin.root_pid, begin.pid, begin.interval_seconds, begin.boot_id) == (ROOT, os.getpid(), 0.5, "boot-1")
    assert (begin.mono, begin.wall, begin.memory_total_bytes, begin.pss) == (1000.0, 1.7e9, 1000 * 1024, True)
    assert (end.samples, end.missed, end.why, end.mono) == (5, 0, "asked", 1002.0)
    assert end.cpu_seconds > 0


def test_the_first_sample_has_no_percent_and_no_differences(fake: FakeProc, tmp_path: Path) -> None:
    fake.set(ROOT, cpu=700)
    fake.write("stat", "cpu  100 0 0 100\ncpu0 100 0 0 100\n")

    def work() -> None:
        fake.set(ROOT, cpu=725)
        fake.write("stat", "cpu  125 0 0 125\ncpu0 125 0 0 125\n")

    first, second, _ = sample(tmp_path / "out", HandClock({1: work, 2: asked})).samples
    assert (first.machine.cpu_percent, first.machine.core_percent, first.tree().cpu_seconds) == (None, None, 0.0)
    assert (second.machine.cpu_percent, second.machine.core_percent) == (50.0, (50.0,))
    assert second.roles["driver"].cpu_seconds == 25 / os.sysconf("SC_CLK_TCK")


def test_late_and_missed_samples_are_counted(fake: FakeProc, tmp_path: Path) -> None:
    clock = HandClock({5: asked})

    def late(seconds: float) -> Callable[[], None]:
        def pass_by() -> None:
            clock.mono += seconds

        return pass_by

    clock._happen |= {1: late(0.2), 2: late(1.75)}  # the second is due at 1001.0: it, 1001.5 and 1002.0 are missed
    found = sample(tmp_path / "out", clock)
    assert [one.mono for one in found.samples] == [1000.0, 1000.7, 1002.75, 1003.0, 1003.5, 1004.0]
    assert [one.late_seconds for one in found.samples] == [0.0, 0.2, 0.25, 0.0, 0.0, 0.0]
    assert [one.missed for one in found.samples] == [0, 0, 3, 0, 0, 0]
    assert [one.seconds for one in found.samples] == pytest.approx([0.0, 0.7, 2.05, 0.25, 0.5, 0.5])
    assert found.end is not None and (found.end.samples, found.end.missed) == (6, 3)


def test_a_wall_clock_that_jumps_does_no_harm(fake: FakeProc, tmp_path: Path) -> None:
    clock = HandClock({4: asked})

    def jump(seconds: float) -> Callable[[], None]:
        def set_clock() -> None:
            clock.epoch += seconds

        return set_clock

    clock._happen |= {1: jump(-3600.0), 2: jump(86400.0)}
    found = sample(tmp_path / "out", clock).samples
    assert [one.seconds for one in found] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert sum(one.missed for one in found) == 0
    assert found[1].wall < found[0].wall < found[2].wall


def test_it_ends_with_the_tree(fake: FakeProc, tmp_path: Path) -> None:
    fake.set(101, parent=ROOT)
    clock = HandClock({2: lambda: fake.end(ROOT), 4: lambda: fake.end(101)})
    found = sample(tmp_path / "out", clock)
    assert len(found.samples) == 5
    assert found.end is not None and found.end.why == "root ended"


def test_it_ends_two_seconds_after_the_root_whatever_is_left(fake: FakeProc, tmp_path: Path) -> None:
    fake.set(101, parent=ROOT)
    found = sample(tmp_path / "out", HandClock({2: lambda: fake.end(ROOT)}))
    assert [one.mono for one in found.samples][-1] == 1001.0 + 2.0
    assert found.end is not None and found.end.why == "root ended"


def test_a_root_that_is_not_there(fake: FakeProc, tmp_path: Path) -> None:
    fake.end(ROOT)
    found = sample(tmp_path / "out", HandClock({}))
    assert len(found.samples) == 1
    assert found.end is not None and found.end.why == "root ended"


def executors(fake: FakeProc, folder: Path, clock: Clock) -> Samples:
    """Samples what `folder`/roots names; a copy is kept, as the folder goes with the last executor."""
    kept = folder.with_name("kept")
    write = LineFile.write

    def keep(file: LineFile, line: bytes) -> None:
        write(file, line)
        with kept.open("ab") as copy:
            copy.write(line)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LineFile, "write", keep)
        sample_executors(folder, 0.5, ProcSource(fake.root), clock)
    return read_samples(kept)


def test_executors_come_and_go_in_one_tree(fake: FakeProc, tmp_path: Path) -> None:
    roots = tmp_path / "app" / "roots"
    roots.mkdir(parents=True)
    (roots / str(ROOT)).touch()

    def begin() -> None:
        fake.set(200, cpu=900)
        (roots / "200").touch()

    clock = HandClock(
        {1: begin, 3: lambda: fake.end(ROOT), 5: lambda: fake.set(200, cpu=950), 6: lambda: fake.end(200)}
    )
    found = executors(fake, tmp_path / "app", clock)
    assert [one.roles.get("driver", RoleUsage()).processes for one in found.samples[:8]] == [1, 2, 2, 1, 1, 1, 0, 0]
    # what an executor used before it was first seen is not counted
    assert sum(one.tree().cpu_seconds for one in found.samples) == 50 / os.sysconf("SC_CLK_TCK")
    assert found.begin is not None and found.begin.root_pid == ROOT
    # five seconds after the last one's end, in case that another takes its place
    assert found.samples[-1].mono == 1003.0 + 5.0
    assert found.end is not None and (found.end.why, found.end.samples) == ("root ended", len(found.samples))
    assert not (tmp_path / "app").exists()


def test_executors_are_kept_when_the_driver_asks_for_the_end(fake: FakeProc, tmp_path: Path) -> None:
    (tmp_path / "app" / "roots").mkdir(parents=True)
    (tmp_path / "app" / "roots" / str(ROOT)).touch()
    found = executors(fake, tmp_path / "app", HandClock({2: asked}))
    assert found.end is not None and (found.end.why, len(found.samples)) == ("asked", 3)
    assert read_samples(tmp_path / "app").end == found.end


def test_a_signal_takes_a_last_sample(fake: FakeProc, tmp_path: Path) -> None:
    clock = HandClock({})

    def soon() -> int:
        clock.mono -= 0.4  # 0.1 s after the sample before
        return signal.SIGINT

    clock._happen[2] = soon
    found = sample(tmp_path / "out", clock)
    assert [one.seconds for one in found.samples] == pytest.approx([0.0, 0.5, 0.1])
    assert found.end is not None and found.end.why == "signal"


def test_a_kernel_without_pss_says_so(fake: FakeProc, tmp_path: Path) -> None:
    (fake.root / "self" / "smaps_rollup").unlink()
    (fake.root / str(ROOT) / "smaps_rollup").unlink()
    found = sample(tmp_path / "out", HandClock({1: asked}))
    assert found.begin is not None and not found.begin.pss
    used = found.samples[0].roles["driver"]
    assert used.pss_bytes == used.uss_bytes == used.rss_bytes > 0


def test_a_full_disk_ends_it_quietly(fake: FakeProc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock({})

    def fill() -> None:
        def refuse(descriptor: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "no space left")

        monkeypatch.setattr(os, "write", refuse)

    clock._happen[2] = fill
    found = sample(tmp_path / "out", clock)
    assert (len(found.samples), found.end) == (2, None)


def test_a_line_that_was_cut_off_spoils_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"event":"sam')
    file = LineFile(path)
    file.write(b'{"event":"x"}\n')
    file.close()
    assert path.read_bytes() == b'{"event":"sam\n{"event":"x"}\n'


@pytest.mark.parametrize("seconds", [0.0, 0.049, 60.1, -1.0, float("nan"), float("inf")])
def test_intervals_out_of_range_are_refused_in_one_line(seconds: float) -> None:
    with pytest.raises(MonitorError, match=r"^interval .* from 0.05 to 60 seconds") as refused:
        checked_interval(seconds)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("seconds", [0.05, 0.5, 60.0])
def test_intervals_in_range(seconds: float) -> None:
    assert checked_interval(seconds) == seconds


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_system_without_sigtimedwait_hears_signals(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "sigtimedwait")
    with Clock() as clock:
        assert clock.wait(0.01) is None
        signal.pthread_kill(threading.get_ident(), number)
        assert clock.wait(30) == number
        assert clock.wait(0.0) is None


def test_schedule_by_hand() -> None:
    schedule = Schedule(10.0, 2.0)
    assert schedule.take(10.0) == (0.0, 0)
    assert schedule.due == 12.0
    assert schedule.take(12.5) == (0.5, 0)
    assert schedule.take(18.5) == (0.5, 2)  # due at 14: 14 and 16 were missed, 18 is half a second late
    assert (schedule.due, schedule.missed) == (20.0, 2)
    assert schedule.take(19.75) == (0.0, 0)  # a moment early
