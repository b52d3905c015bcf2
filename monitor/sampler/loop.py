"""The sampling loop: looks at the machine and at process trees on a schedule, and appends a line for each look.

The same loop runs beside a driver (one root, which is known) and beside executors (roots that come and go).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from types import TracebackType

from monitor.errors import MonitorError
from monitor.records import SAMPLES, Begin, End, RoleUsage, Sample, to_line
from monitor.sampler.memory import MemoryReader
from monitor.sampler.tree import Tree
from monitor.sampler.usage import TreeMeter
from monitor.sources import Source, core_count, host_name, open_source

INTERVAL_SECONDS = 0.5
SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 60.0
AFTER_ROOT_SECONDS = 2.0  # what the rest of a tree gets after its root's end
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_POLL_SECONDS = 0.05


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
        if not hasattr(signal, "sigtimedwait"):
            return _poll_signals(seconds)
        received = signal.sigtimedwait(_SIGNALS, max(0.0, seconds))
        return None if received is None else received.si_signo


def _poll_signals(seconds: float) -> int | None:
    """The same where the system (macOS) has no sigtimedwait."""
    end = time.monotonic() + seconds
    while True:
        waiting = signal.sigpending() & set(_SIGNALS)
        if waiting:
            return int(signal.sigwait(waiting))
        left = end - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(left, _POLL_SECONDS))


class Sampler:
    """Takes samples of the machine and of the trees below one or several roots, all trees together."""

    def __init__(
        self,
        roots: Callable[[], Iterable[int]],
        interval_seconds: float,
        clock: Clock | None = None,
        source: Source | None = None,
    ) -> None:
        """Prepares sampling.

        Args:
            roots: Gives the pids of all roots; asked before each sample, as more may come.
            interval_seconds: From `SHORTEST_SECONDS` to `LONGEST_SECONDS`.
            clock: Time; a test has one of its own.
            source: Where measurements come from; by default the first source that works on this system.
        """
        self._roots = roots
        self._interval = checked_interval(interval_seconds)
        self._clock = clock or Clock()
        self._source = source or open_source()
        self._meters: dict[int, TreeMeter] = {}
        self._ended: dict[int, float] = {}  # roots that have ended, and when that was seen
        self._root = min(roots(), default=0)
        self._group = self._source.memory_group(self._root or os.getpid())
        self._schedule = Schedule(self._clock.monotonic(), self._interval)
        self._last: float | None = None
        self._count = self._missed = 0

    def begin(self) -> Begin:
        """The record to put before the first sample; its root is the first one."""
        source = self._source
        return Begin(
            host_name(), source.boot_id(), os.getpid(), self._root, self._interval, core_count(),
            source.ticks_per_second, source.memory_bytes()[0], self._clock.wall(), self._clock.monotonic(), source.pss,
        )  # fmt: skip

    def sample(self) -> Sample:
        """One look, now."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        late, missed = self._schedule.take(now)
        seconds = 0.0 if self._last is None else now - self._last
        self._last = now
        self._count += 1
        self._missed += missed
        for pid in set(self._roots()) - self._meters.keys() - self._ended.keys():
            memory = MemoryReader(self._source.memory) if self._source.pss else None
            self._meters[pid] = TreeMeter(Tree(pid, self._source), self._source, memory)
        looks = [meter.look(now) for meter in self._meters.values()]
        self._forget_ended(now)
        return Sample(
            host_name(), wall, round(now, 6), round(seconds, 6), round(late, 6), missed, self._source.machine(),
            self._group.usage() if self._group else None, merged_roles([look.roles for look in looks]),
            sum(look.vanished for look in looks),
        )  # fmt: skip

    def last_sample(self) -> Sample:
        """One more look at the end, out of turn: neither late nor after missed ones."""
        self._schedule = Schedule(self._clock.monotonic(), self._interval)
        return self.sample()

    def end(self, why: str) -> End:
        """The record to put after the last sample."""
        clock = self._clock
        cpu_seconds = time.process_time()
        return End(host_name(), clock.wall(), clock.monotonic(), self._count, self._missed, cpu_seconds, why)

    def root_is_alive(self) -> bool:
        """Whether any root lived at the last look."""
        return any(meter.tree.root_is_alive() for meter in self._meters.values())

    def anything_is_alive(self) -> bool:
        """Whether any process of a tree lived at the last look."""
        return any(meter.tree.anything_is_alive() for meter in self._meters.values())

    def seconds_to_next(self) -> float:
        """Until the next sample is due."""
        return self._schedule.due - self._clock.monotonic()

    def _forget_ended(self, now: float) -> None:
        """Ends the looks at trees whose root ended some time ago."""
        for pid, meter in list(self._meters.items()):
            if not meter.tree.root_is_alive() and now - self._ended.setdefault(pid, now) > AFTER_ROOT_SECONDS:
                del self._meters[pid]


def merged_roles(looks: Iterable[dict[str, RoleUsage]]) -> dict[str, RoleUsage]:
    """The usage of several trees, summed by role; the sidecar, which each of them sees, counts once."""
    total: dict[str, RoleUsage] = {}
    for roles in looks:
        for role, usage in roles.items():
            if role not in total:
                total[role] = usage
            elif role != "sidecar":
                before = total[role]
                total[role] = RoleUsage(
                    *(getattr(before, part.name) + getattr(usage, part.name) for part in fields(RoleUsage))
                )
    return total


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


def sample_tree(
    resources: Path,
    root_pid: int,
    interval_seconds: float,
    *,
    file_name: str = SAMPLES,
    clock: Clock | None = None,
    source: Source | None = None,
) -> None:
    """Samples the tree below one root into `resources`/`file_name` until the root has ended or a signal comes.

    A disk that is full, or a folder that is gone, ends the sampling quietly: it never harms the job.
    """
    with clock or Clock() as ticking, contextlib.suppress(OSError):
        sampler = Sampler(lambda: (root_pid,), interval_seconds, ticking, source)
        file = LineFile(resources / file_name)
        try:
            sample_until_end(sampler, file.write, ticking, AFTER_ROOT_SECONDS)
        finally:
            file.close()


def sample_until_end(
    sampler: Sampler, write: Callable[[bytes], None], clock: Clock, linger_seconds: float, new_roots: bool = False
) -> str:
    """Writes samples until no root has lived for `linger_seconds`, or a signal comes.

    Args:
        sampler: What takes the samples.
        write: Takes each record as a line.
        clock: Time and signals.
        linger_seconds: How long it goes on after the last root's end.
        new_roots: Whether another root may come meanwhile. If not, it ends as soon as nothing lives in the trees.

    Returns:
        Why it ended: "root ended", "asked" (SIGTERM) or "signal".
    """
    write(to_line(sampler.begin()))
    roots_ended: float | None = None
    while True:
        sample = sampler.sample()
        write(to_line(sample))
        if sampler.root_is_alive():
            roots_ended = None
        else:
            roots_ended = sample.mono if roots_ended is None else roots_ended
            empty = not new_roots and not sampler.anything_is_alive()
            if empty or sample.mono - roots_ended >= linger_seconds:
                why = "root ended"
                break
        received = clock.wait(sampler.seconds_to_next())
        if received is not None:
            write(to_line(sampler.last_sample()))
            why = "asked" if received == signal.SIGTERM else "signal"
            break
    write(to_line(sampler.end(why)))
    return why
