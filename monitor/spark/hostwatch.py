"""The sidecar of one machine's executors: `python -m monitor.spark.hostwatch FOLDER SECONDS`, started by `executor`.

Each file of FOLDER/roots is named for the process id of an executor; more may come at any time. All of them are one
process tree in samples.jsonl. Who starts it has locked FOLDER/lock for it. It ends when it is told to, or when no
executor has lived for five seconds, and then removes FOLDER: with the last executor went the way by which its samples
travel.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

from monitor.records import SAMPLES, Begin, End, RoleUsage, Sample, to_line
from monitor.sampling.cgroup import find_group
from monitor.sampling.machine import Machine, boot_id, cores, host, memory_total_bytes
from monitor.sampling.memory import MemoryReader
from monitor.sampling.procfs import TICKS_PER_SECOND, Processes
from monitor.sampling.sampler import Clock, LineFile, Schedule, checked_interval
from monitor.sampling.tree import Tree
from monitor.sampling.usage import TreeMeter
from monitor.spark.executor import ROOTS, STATE

LINGER_SECONDS = 5.0  # Spark may replace an executor that died
_LOOKS_AFTER_END = 4  # at what an executor leaves behind


class HostSampler:
    """Samples one machine and the trees of all executors on it, together."""

    def __init__(self, roots: Callable[[], Iterable[int]], interval_seconds: float, clock: Clock) -> None:
        self._roots, self._clock = roots, clock
        self._interval = checked_interval(interval_seconds)
        self._processes = Processes()
        self._pss = self._processes.memory(os.getpid()) is not None
        self._machine = Machine()
        self._meters: dict[int, TreeMeter] = {}
        self._dead: Counter[int] = Counter()  # looks since an executor's end
        self._group = find_group(os.getpid())
        self._schedule = Schedule(clock.monotonic(), self._interval)
        self._last: float | None = None
        self._count = self._missed = 0

    def begin(self) -> Begin:
        """The record to put before the first sample; its root is the executor that was first."""
        root = min(self._roots(), default=0)
        self._group = find_group(root or os.getpid())
        return Begin(
            host(), boot_id(), os.getpid(), root, self._interval, cores(), TICKS_PER_SECOND,
            memory_total_bytes(), self._clock.wall(), self._clock.monotonic(), self._pss,
        )  # fmt: skip

    def sample(self, last: bool = False) -> Sample:
        """One look, now; the last one is out of turn, so neither late nor after missed ones."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        late, missed = (0.0, 0) if last else self._schedule.take(now)
        seconds = 0.0 if self._last is None else now - self._last
        self._last = now
        self._count += 1
        self._missed += missed
        for pid in set(self._roots()) - self._meters.keys() - self._dead.keys():
            memory = MemoryReader(self._processes.memory) if self._pss else None
            self._meters[pid] = TreeMeter(Tree(pid, self._processes), self._processes, memory)
        looks = [meter.look(now) for meter in self._meters.values()]
        for pid in [pid for pid, meter in self._meters.items() if not meter.tree.root_is_alive()]:
            self._dead[pid] += 1
            if self._dead[pid] > _LOOKS_AFTER_END:
                del self._meters[pid]
        return Sample(
            host(), wall, round(now, 6), round(seconds, 6), round(late, 6), missed, self._machine.sample(),
            self._group.usage() if self._group else None, merged([look.roles for look in looks]),
            sum(look.vanished for look in looks),
        )  # fmt: skip

    def end(self, why: str) -> End:
        """The record to put after the last sample."""
        clock = self._clock
        return End(host(), clock.wall(), clock.monotonic(), self._count, self._missed, time.process_time(), why)

    def anything_lives(self) -> bool:
        """Whether an executor lived at the last look."""
        return any(meter.tree.root_is_alive() for meter in self._meters.values())

    def seconds_to_next(self) -> float:
        """Until the next sample is due."""
        return self._schedule.due - self._clock.monotonic()


def merged(looks: Iterable[dict[str, RoleUsage]]) -> dict[str, RoleUsage]:
    """Several trees as one, role by role; the sidecar, which each of them sees, once."""
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


def watch_folder(folder: Path, interval_seconds: float, clock: Clock) -> None:
    """Samples until the end."""
    with clock:
        sampler = HostSampler(lambda: _roots(folder), interval_seconds, clock)
        (folder / SAMPLES).unlink(missing_ok=True)  # of a sidecar that was killed
        file = LineFile(folder / SAMPLES)
        temporary = folder / f".{STATE}"
        temporary.write_text(json.dumps({"pid": os.getpid(), "stream": uuid.uuid4().hex}), encoding="utf-8")
        temporary.replace(folder / STATE)
        why = _loop(sampler, file.write, clock)
        file.close()
        if why == "root ended":
            shutil.rmtree(folder, ignore_errors=True)


def _loop(sampler: HostSampler, write: Callable[[bytes], None], clock: Clock) -> str:
    write(to_line(sampler.begin()))
    lived = clock.monotonic()
    why = None
    while why is None:
        write(to_line(sampler.sample()))
        if sampler.anything_lives():
            lived = clock.monotonic()
        elif clock.monotonic() - lived >= LINGER_SECONDS:
            why = "root ended"
            break
        told = clock.wait(sampler.seconds_to_next())
        if told is not None:
            write(to_line(sampler.sample(last=True)))
            why = "asked" if told == signal.SIGTERM else "signal"
    write(to_line(sampler.end(why)))
    return why


def _roots(folder: Path) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(path.name) for path in (folder / ROOTS).iterdir() if path.name.isdigit()]
    return []


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # the folder is gone, or the disk full: the job is not to be harmed
        watch_folder(Path(sys.argv[1]), float(sys.argv[2]), Clock())
