"""Phases and samples of all hosts on one time axis: seconds since the run's first record, on the driver's clock."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitor.records import PhaseRecord, Sample, Samples

Interval = tuple[float, float]


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time in the fewest intervals, in order."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def seconds_of(intervals: Iterable[Interval]) -> float:
    """How long merged intervals last together."""
    return sum(end - start for start, end in intervals)


def common_seconds(interval: Interval, others: Sequence[Interval]) -> float:
    """How much of one interval lies in merged others."""
    total = 0.0
    index = max(0, bisect_left(others, (interval[0],)) - 1)
    while index < len(others) and others[index][0] < interval[1]:
        total += max(0.0, min(interval[1], others[index][1]) - max(interval[0], others[index][0]))
        index += 1
    return total


def fraction_within(interval: Interval, others: Sequence[Interval]) -> float:
    """The part (0 to 1) of one interval that lies in merged others; an interval without length is in or out."""
    if interval[1] > interval[0]:
        return common_seconds(interval, others) / (interval[1] - interval[0])
    return float(holds(others, interval[0]))


def holds(merged_intervals: Sequence[Interval], moment: float) -> bool:
    """Whether a moment lies in one of them: a start is not in it, an end is, as a sample is about what was before."""
    index = bisect_left(merged_intervals, (moment,)) - 1  # the last that starts before
    return index >= 0 and moment <= merged_intervals[index][1]


DONE, FAILED, UNFINISHED = "done", "failed", "unfinished"


@dataclass(frozen=True)
class Span:
    """One bracket of a phase; `within` is the phase around it, an unfinished one ends where the run did."""

    name: str
    start: float
    end: float
    status: str
    within: str | None
    depth: int


@dataclass(frozen=True)
class Point:
    """A sample on the axis: its differences are of start to end, what it says of now is of the end."""

    start: float
    end: float
    sample: Sample


@dataclass(frozen=True)
class HostSeries:
    """What one host's sidecar measured. The clock's offset and its error are those of hosts.json, if it has them."""

    host: str
    role: str  # "driver" or "executor"
    points: tuple[Point, ...]
    interval_seconds: float
    cores: int
    memory_total_bytes: int
    pss: bool
    missed: int
    own_cpu_seconds: float
    ended: str | None  # why the sidecar ended; None where it was killed
    clock_offset_seconds: float | None = None
    clock_error_seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Timeline:
    """A run from 0 to `end` seconds; `zero_wall` is 0 in epoch seconds of the driver's wall clock."""

    spans: tuple[Span, ...]
    hosts: tuple[HostSeries, ...]
    end: float
    zero_wall: float
    without_data: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # that the monitor met with on other hosts

    @property
    def driver(self) -> HostSeries | None:
        """The driver's host, if it was sampled."""
        return next((host for host in self.hosts if host.role == "driver"), None)

    @property
    def cores(self) -> int:
        """The cores of all hosts, each host counted once."""
        return sum({host.host: host.cores for host in self.hosts}.values())

    def at_wall(self, epoch_seconds: float) -> float:
        """Where a time of the driver's wall clock lies on the axis."""
        return epoch_seconds - self.zero_wall


def build_timeline(
    phases: Sequence[PhaseRecord], samples: Sequence[Samples], hosts: Mapping[str, Any] | None = None
) -> Timeline:
    """Joins the records of phases.jsonl, the samples of every host (first the driver's, be it empty) and hosts.json.

    The axis is the driver's monotonic clock, which no change of the wall clock disturbs; wall clocks only tie hosts,
    and phases of older runs, to it.
    """
    phases = [record for record in phases if isinstance(record, Mapping) and record.get("event") in ("start", "end")]
    entries = [entry for entry in (hosts or {}).get("hosts", []) if isinstance(entry, Mapping)]
    # executors beside the driver have an entry of their own
    host_entries = {
        str(entry.get("host")): entry for entry in sorted(entries, key=lambda found: found.get("role") != "driver")
    }
    files = [file for file in samples if file.samples]
    known = {file.begin.host for file in files if file.begin}
    without = [str(name) for name in (hosts or {}).get("without_data", [])]
    without += [name for name in host_entries if name not in known and name not in without]
    driver = files[0] if files and files[0] is samples[0] else None
    ahead = _wall_minus_mono(driver, phases)
    driver_host = driver.samples[0].host if driver else None
    marks = [_mark(record, ahead, driver_host) for record in phases]
    series = [
        _series(file, ahead, host_entries.get(file.samples[0].host, {}), "driver" if file is driver else "executor")
        for file in files
    ]
    starts = [mark for mark, record in zip(marks, phases, strict=True) if record.get("event") == "start"]
    firsts = [host.points[0].start for host in series]
    zero = min([*starts, *firsts], default=0.0)
    lasts = [host.points[-1].end for host in series if host.role == "driver"] or [h.points[-1].end for h in series]
    end = max([*marks, *lasts], default=zero)
    spans = tuple(_spans([mark - zero for mark in marks], phases, end - zero))
    moved = tuple(_moved(host, zero) for host in series)
    problems = tuple(str(problem) for problem in (hosts or {}).get("problems", []))
    return Timeline(spans, moved, end - zero, zero + ahead, tuple(without), problems)


def _wall_minus_mono(driver: Samples | None, phases: Iterable[PhaseRecord]) -> float:
    """The median, as the wall clock may have been set in the midst of the run; 0 where no monotonic time is known."""
    if driver:
        return statistics.median(sample.wall - sample.mono for sample in driver.samples)
    known = [_epoch(record) - float(record["mono"]) for record in phases if record.get("mono") is not None]
    return statistics.median(known) if known else 0.0


def _mark(record: PhaseRecord, ahead: float, driver_host: str | None) -> float:
    host = record.get("host")
    if record.get("mono") is not None and (driver_host is None or host is None or host == driver_host):
        return float(record["mono"])
    if record.get("event") == "end" and record.get("wall_seconds") is not None:
        began = datetime.fromisoformat(str(record["start"])).timestamp()
        return began - ahead + float(record["wall_seconds"])
    return _epoch(record) - ahead


def _epoch(record: PhaseRecord) -> float:
    return datetime.fromisoformat(str(record["end" if record.get("event") == "end" else "start"])).timestamp()


def _series(file: Samples, ahead: float, host_entry: Mapping[str, Any], role: str) -> HostSeries:
    begin, samples = file.begin, file.samples
    shift = 0.0
    if role == "executor":
        # wall there = driver's wall + offset; its own monotonic clock has nothing to do with the driver's
        shift = statistics.median(sample.wall - sample.mono for sample in samples)
        shift -= float(host_entry.get("clock_offset_seconds") or 0.0) + ahead
    points = [Point(s.mono + shift - s.seconds, s.mono + shift, s) for s in samples]
    own = sum(sample.roles["sidecar"].cpu_seconds for sample in samples if "sidecar" in sample.roles)
    cores = begin.cores if begin else len(samples[-1].machine.core_percent or ()) or 1
    total = samples[0].machine.memory_used_bytes + samples[0].machine.memory_available_bytes
    return HostSeries(
        host=samples[0].host,
        role=role,
        points=tuple(sorted(points, key=lambda point: point.end)),
        interval_seconds=begin.interval_seconds if begin else statistics.median(s.seconds for s in samples),
        cores=cores,
        memory_total_bytes=begin.memory_total_bytes if begin else total,
        pss=begin.pss if begin else True,
        missed=sum(sample.missed for sample in samples),
        own_cpu_seconds=file.end.cpu_seconds if file.end else own,
        ended=file.end.why if file.end else None,
        clock_offset_seconds=host_entry.get("clock_offset_seconds"),
        clock_error_seconds=host_entry.get("clock_error_seconds"),
    )


def _moved(host: HostSeries, zero: float) -> HostSeries:
    return replace(
        host, points=tuple(Point(point.start - zero, point.end - zero, point.sample) for point in host.points)
    )


def _spans(marks: Sequence[float], phases: Sequence[PhaseRecord], last: float) -> list[Span]:
    """Brackets in the order of their starts; an end closes the latest open bracket of its name."""
    spans: list[Span] = []
    going: list[int] = []
    # a phase that was recorded when it was over stands in the file behind those within it
    for mark, record in sorted(zip(marks, phases, strict=True), key=lambda pair: pair[0]):
        name = str(record["name"])
        if record["event"] == "start":
            within = spans[going[-1]].name if going else None
            spans.append(Span(name, mark, max(mark, last), UNFINISHED, within, len(going)))
            going.append(len(spans) - 1)
            continue
        index = next((number for number in reversed(going) if spans[number].name == name), None)
        if index is not None:
            going.remove(index)
            span = spans[index]
            status = str(record.get("status", DONE))
            spans[index] = Span(name, span.start, max(span.start, mark), status, span.within, span.depth)
    return spans
