"""The sampling loop: looks at machine and tree on a schedule and appends a line for each look."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from monitor.errors import MonitorError
from monitor.records import SAMPLES, Begin, End, Sample, to_line
from monitor.sampling.cgroup import find_group
from monitor.sampling.machine import Machine, boot_id, cores, host, memory_total_bytes
from monitor.sampling.memory import MemoryReader
from monitor.sampling.procfs import PROC, TICKS_PER_SECOND, Processes, read_file
from monitor.sampling.tree import Tree
from monitor.sampling.usage import TreeMeter

INTERVAL_SECONDS = 0.5
SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 60.0
_AFTER_ROOT_SECONDS = 2.0  # what the rest of the tree gets after its root's end
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def checked_interval(seconds: float) -> float:
    """The interval itself; MonitorError where it is out of range."""
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise MonitorError(
            f"interval {seconds:g}: must be from {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds,"
            f" for example {INTERVAL_SECONDS:g}"
        )
    return seconds


class Schedule:
    """When samples are due: at begin + n * interval, on a clock that never jumps. Those slept over are counted."""

    def __init__(self, begin: float, interval_seconds: float) -> None:
        self._begin, self._interval = begin, interval_seconds
        self._number = 0
        self.missed = 0

    @property
    def due(self) -> float:
        """Monotonic second of the next sample."""
        return self._begin + self._number * self._interval

    def take(self, now: float) -> tuple[float, int]:
        """A sample is taken now: seconds behind its schedule, and how many before it were missed."""
        behind = max(0, int((now - self.due) / self._interval))
        self._number += behind
        late = max(0.0, now - self.due)
        self._number += 1
        self.missed += behind
        return late, behind


class Clock:
    """Time and waiting; `wait` returns the number of a signal that asks for the end, or None. Masks these signals."""

    def __enter__(self) -> Clock:
        # blocked and asked for: none can interrupt a sample, and none is lost
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, for labels."""
        return time.time()

    def wait(self, seconds: float) -> int | None:
        """Waits that long or until a signal."""
        told = signal.sigtimedwait(_SIGNALS, max(0.0, seconds))
        return None if told is None else told.si_signo


class Sampler:
    """Takes samples of the machine and of the tree below a root."""

    def __init__(self, root_pid: int, interval_seconds: float, clock: Clock, proc: Path = PROC) -> None:
        self._clock, self._proc = clock, proc
        self._interval = checked_interval(interval_seconds)
        self._root_pid = root_pid
        processes = Processes(proc)
        self.pss = read_file(f"{proc}/self/smaps_rollup") is not None
        self.tree = Tree(root_pid, processes)
        self._meter = TreeMeter(self.tree, processes, MemoryReader(processes.memory) if self.pss else None)
        self._machine = Machine(proc)
        self._group = find_group(root_pid, proc)
        self._schedule = Schedule(clock.monotonic(), self._interval)
        self._last: float | None = None
        self._count = 0

    def begin(self) -> Begin:
        """The record to put before the first sample."""
        return Begin(
            host(), boot_id(self._proc), os.getpid(), self._root_pid, self._interval, cores(), TICKS_PER_SECOND,
            memory_total_bytes(self._proc), self._clock.wall(), self._clock.monotonic(), self.pss,
        )  # fmt: skip

    def sample(self) -> Sample:
        """One look, now."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        late, missed = self._schedule.take(now)
        seconds = 0.0 if self._last is None else now - self._last
        self._last = now
        self._count += 1
        usage = self._meter.look(now)
        return Sample(
            host(), wall, round(now, 6), round(seconds, 6), round(late, 6), missed, self._machine.sample(),
            self._group.usage() if self._group else None, usage.roles, usage.vanished,
        )  # fmt: skip

    def last_sample(self) -> Sample:
        """One more look at the end, out of turn: neither late nor after missed ones."""
        self._schedule = Schedule(self._clock.monotonic(), self._interval)
        return self.sample()

    def end(self, missed: int, why: str) -> End:
        """The record to put after the last sample."""
        return End(host(), self._clock.wall(), self._clock.monotonic(), self._count, missed, time.process_time(), why)

    def seconds_to_next(self) -> float:
        """Until the next sample is due."""
        return self._schedule.due - self._clock.monotonic()


class LineFile:
    """Appends whole lines, each with one write, so that whoever reads along or after a crash sees no half line."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self.write(b"\n")  # after a line that was cut off

    def write(self, line: bytes) -> None:
        """Writes a line; OSError where it does not fit on the disk."""
        if os.write(self._descriptor, line) < len(line):
            raise OSError("disk full")

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def sample_until_end(
    resources: Path, root_pid: int, interval_seconds: float, *, file_name: str = SAMPLES, clock: Clock | None = None
) -> None:
    """Samples into `resources` until the root has ended or a signal comes.

    A disk that is full, or a folder that is gone, ends the sampling quietly: it never harms the job.
    """
    with clock or Clock() as ticking, contextlib.suppress(OSError):
        sampler = Sampler(root_pid, interval_seconds, ticking)
        file = LineFile(resources / file_name)
        try:
            _loop(sampler, file.write, ticking)
        finally:
            file.close()


def _loop(sampler: Sampler, write: Callable[[bytes], None], clock: Clock) -> None:
    write(to_line(sampler.begin()))
    missed, root_ended = 0, None
    while True:
        sample = sampler.sample()
        write(to_line(sample))
        missed += sample.missed
        if not sampler.tree.root_is_alive():
            root_ended = sample.mono if root_ended is None else root_ended
            if not sampler.tree.anything_is_alive() or sample.mono - root_ended >= _AFTER_ROOT_SECONDS:
                why = "root ended"
                break
        told = clock.wait(sampler.seconds_to_next())
        if told is not None:
            last = sampler.last_sample()
            write(to_line(last))
            why = "asked" if told == signal.SIGTERM else "signal"
            break
    write(to_line(sampler.end(missed, why)))
