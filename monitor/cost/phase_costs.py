"""What every phase of a run cost: samples, phases and Spark's stages joined by time. Reads no file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from monitor.cost.curves import Memory, Rate, memory_at, memory_curve, rate_curve
from monitor.cost.timeline import (
    DONE,
    FAILED,
    UNFINISHED,
    HostSeries,
    Interval,
    Span,
    Timeline,
    common_seconds,
    fraction_within,
    holds,
    merged,
    seconds_of,
)
from monitor.spark.work import SparkJob, SparkStage

TOTAL = "total"


@dataclass(frozen=True)
class PhaseCost:
    """One row: a phase with all its brackets, or the whole run. What no sample says is None, never 0.

    Sums and memory are of the process trees of all hosts, without the monitor. A sample's differences are shared out
    by overlap in time; peaks are of the samples within the phase. cpu_percent is of the cores of all hosts.
    pss_start_bytes is what the phase inherited, pss_gained_bytes how far it rose above that. The peaks of the roles
    need not fall together. spill_bytes is what Spark wrote to disk; gc_seconds that of the executors' JVMs.
    """

    phase: str
    wall_seconds: float
    cpu_seconds: float | None
    cpu_percent_mean: float | None
    cpu_percent_peak: float | None
    busy_cores_mean: float | None
    pss_start_bytes: int | None
    pss_gained_bytes: int | None
    pss_peak_bytes: int | None
    rss_peak_bytes: int | None
    pss_peak_driver_bytes: int | None
    pss_peak_jvm_bytes: int | None
    pss_peak_worker_bytes: int | None
    read_bytes: int | None
    write_bytes: int | None
    gc_seconds: float | None
    spill_bytes: int | None
    samples: int
    missed_samples: int
    start_seconds: float  # on the run's time axis
    seen_seconds: float  # of wall_seconds, what the samples of the driver's host cover
    status: str  # "done", "failed", or "unfinished" where the run was killed
    times: int  # brackets of that name
    within: str | None  # the phase around it
    jobs: int | None  # Spark jobs submitted meanwhile


COLUMNS = tuple(field.name for field in fields(PhaseCost))


@dataclass(frozen=True)
class Costs:
    """A row a phase, in the order of their starts, and the whole run (time outside of any phase included)."""

    phases: tuple[PhaseCost, ...]
    total: PhaseCost


def phase_costs(
    timeline: Timeline,
    stages: Sequence[SparkStage] | None = None,
    jobs: Sequence[SparkJob] | None = None,
) -> Costs:
    """The cost of every phase; `stages` and `jobs` are those of stages.jsonl and jobs.jsonl, None without."""
    memory, rates = memory_curve(timeline), rate_curve(timeline)
    around = {span.name: span.within for span in timeline.spans}
    rows = []
    for name in around:
        spans = [span for span in timeline.spans if span.name == name]
        times = merged((span.start, span.end) for span in spans)
        own = (
            None
            if stages is None
            else [(stage, _stage_fraction(stage, name, times, timeline, around)) for stage in stages]
        )
        rows.append(_row(name, spans, times, timeline, memory, rates, own, jobs))
    whole = Span(TOTAL, 0.0, timeline.end, _run_status(timeline.spans), None, 0)
    everything = None if stages is None else [(stage, 1.0) for stage in stages]
    # the first sample lies at the very start
    total = _row(TOTAL, [whole], [(-1e-9, timeline.end)], timeline, memory, rates, everything, None)
    return Costs(tuple(rows), replace(total, jobs=None if jobs is None else len(jobs)))


def _row(
    name: str,
    spans: list[Span],
    times: list[Interval],
    timeline: Timeline,
    memory: Sequence[Memory],
    rates: Sequence[Rate],
    stages: list[tuple[SparkStage, float]] | None,
    jobs: Sequence[SparkJob] | None,
) -> PhaseCost:
    wall = seconds_of(times) if name != TOTAL else timeline.end
    points = [point for host in timeline.hosts for point in host.points]
    samples = [point for point in points if holds(times, point.end)]
    overlaps = [(point, fraction_within((point.start, point.end), times)) for point in points if point.sample.seconds]
    overlapping = [(point.sample.tree(), part) for point, part in overlaps if part]
    seen = sum(common_seconds((p.start, p.end), times) for p in (timeline.driver or _NOBODY).points)
    known = bool(overlapping)
    cpu = sum(usage.cpu_seconds * part for usage, part in overlapping)
    within = [sum_of_trees for sum_of_trees in memory if holds(times, sum_of_trees.seconds)]
    start = _at_start(timeline, times[0], within)
    peak = max((look.pss_bytes for look in within), default=None)
    if peak is not None and start is not None:
        peak = max(peak, start.pss_bytes)
    busy = cpu / wall if known and wall else None
    return PhaseCost(
        phase=name,
        wall_seconds=round(wall, 6),
        cpu_seconds=round(cpu, 6) if known else None,
        cpu_percent_mean=_percent(busy, timeline.cores),
        cpu_percent_peak=_percent(_busiest(rates, times, busy), timeline.cores) if samples else None,
        busy_cores_mean=None if busy is None else round(busy, 4),
        pss_start_bytes=start.pss_bytes if start else None,
        pss_gained_bytes=_gained(timeline, times, memory),
        pss_peak_bytes=peak,
        rss_peak_bytes=max((look.rss_bytes for look in within), default=None),
        pss_peak_driver_bytes=max((look.role_pss_bytes["driver"] for look in within), default=None),
        pss_peak_jvm_bytes=max((look.role_pss_bytes["jvm"] for look in within), default=None),
        pss_peak_worker_bytes=max((look.role_pss_bytes["worker"] for look in within), default=None),
        read_bytes=round(sum(usage.read_bytes * part for usage, part in overlapping)) if known else None,
        write_bytes=round(sum(usage.write_bytes * part for usage, part in overlapping)) if known else None,
        gc_seconds=None if stages is None else round(sum(stage.gc_seconds * part for stage, part in stages), 6),
        spill_bytes=None if stages is None else round(sum(stage.disk_spill_bytes * part for stage, part in stages)),
        samples=len(samples),
        missed_samples=sum(holds(times, moment) for host in timeline.hosts for moment in _missed(host)),
        start_seconds=round(spans[0].start, 6),
        seen_seconds=round(seen, 6),
        status=_worst(span.status for span in spans),
        times=len(spans),
        within=spans[0].within,
        jobs=None if jobs is None else sum(_submitted_in(job, times, timeline) for job in jobs),
    )


_NOBODY = HostSeries("", "driver", (), 0.0, 0, 0, True, 0, 0.0, None)


def _percent(busy_cores: float | None, cores: int) -> float | None:
    return None if busy_cores is None or not cores else round(100 * busy_cores / cores, 3)


def _busiest(rates: Sequence[Rate], times: list[Interval], mean: float | None) -> float | None:
    """The highest rate of samples that lie in the phase by half or more: others are about its neighbours."""
    inner = [rate.busy_cores for rate in rates if fraction_within((rate.start, rate.end), times) >= 0.5]
    return max([*inner, *([] if mean is None else [mean])], default=None)


def _at_start(timeline: Timeline, first: Interval, within: Sequence[Memory]) -> Memory | None:
    """The memory that a phase found: of the sample before it, or of its own first one where that came at once."""
    before = memory_at(timeline.hosts, first[0])
    if before or not within:
        return before
    soon = max((host.interval_seconds for host in timeline.hosts), default=0.0)
    return within[0] if within[0].seconds <= first[0] + soon else None


def _gained(timeline: Timeline, times: list[Interval], memory: Sequence[Memory]) -> int | None:
    """The largest rise above its start of one bracket."""
    gains = []
    for bracket in times:
        first, last = (bisect_right(memory, moment, key=lambda found: found.seconds) for moment in bracket)
        within = memory[first:last]
        start = _at_start(timeline, bracket, within)
        if start and within:
            gains.append(max(0, max(found.pss_bytes for found in within) - start.pss_bytes))
    return max(gains, default=None)


def _missed(host: HostSeries) -> Iterable[float]:
    """When the samples should have been that were skipped: evenly between their neighbours."""
    for point in host.points:
        count = point.sample.missed
        for number in range(1, count + 1):
            yield point.start + (point.end - point.start) * number / (count + 1)


def _stage_fraction(
    stage: SparkStage,
    name: str,
    times: list[Interval],
    timeline: Timeline,
    around: Mapping[str, str | None],
) -> float:
    """How much of a stage is the phase's: all of it where Spark names the phase, otherwise by overlap in time."""
    if stage.phase in around:
        outer = stage.phase
        seen: set[str] = set()
        while outer is not None and outer not in seen:
            if outer == name:
                return 1.0
            seen.add(outer)
            outer = around.get(outer)
        return 0.0
    if stage.submitted is None:
        return 0.0
    start = timeline.at_wall(stage.submitted)
    end = start if stage.completed is None else timeline.at_wall(stage.completed)
    return fraction_within((start, end), times)


def _submitted_in(job: SparkJob, times: list[Interval], timeline: Timeline) -> bool:
    # Spark cuts its times off to milliseconds
    return bool(job.submitted) and holds(times, timeline.at_wall(job.submitted) + 0.001)


def _run_status(spans: Sequence[Span]) -> str:
    """A phase that failed and was followed by others did not end the run."""
    return _worst(span.status for span in spans if span.depth == 0) if spans else DONE


def _worst(statuses: Iterable[str]) -> str:
    found = set(statuses)
    return next((status for status in (UNFINISHED, FAILED) if status in found), DONE)
