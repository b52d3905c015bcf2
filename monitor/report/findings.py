"""What a reader of a report should notice, in plain sentences with figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.report.cost import PhaseCost
from monitor.report.curves import memory_curve
from monitor.report.figures import UNKNOWN, counted, gigabytes, listed, part_of, percent, seconds
from monitor.report.intervals import merged, seconds_of
from monitor.report.laziness import laziness
from monitor.report.quality import quality
from monitor.report.runfiles import RunFiles
from monitor.report.timeline import HostSeries

NEAR_LIMIT = 0.8  # of the limit: memory that a reader should be warned of


@dataclass(frozen=True)
class Finding:
    """One sentence; a warning is about something that went wrong or may mislead."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class MemoryPeak:
    """The moment at which a host's memory came nearest to its limit."""

    host: HostSeries
    seconds: float
    pss_bytes: int
    limit_bytes: int
    limit: str  # what sets it


def findings(run: RunFiles) -> list[Finding]:
    """All findings, warnings first."""
    found = [Finding(text, True) for text in [*_ending(run), *quality(run)]]
    found += [Finding(text, True) for text in _rejected(run.statistics)]
    found += _memory(run)
    found += [Finding(text) for text in [*_costliest(run), *_outside(run), *_overstated(run)]]
    found += [Finding(text) for text in [*laziness(run), *_own_cost(run)]]
    return sorted(found, key=lambda one: not one.warning)


def memory_peak(run: RunFiles) -> MemoryPeak | None:
    """Where the trees' PSS came nearest to what limits it, the machine's memory or a tighter cgroup."""
    peaks = []
    for host in run.timeline.hosts:
        point = max(host.points, key=lambda one: one.sample.tree().pss_bytes)
        limit, name = host.memory_total_bytes, "the machine's memory"
        groups = [one.sample.cgroup for one in host.points if one.sample.cgroup]
        limits = [group.limit_bytes for group in groups if group.limit_bytes]
        if limits and min(limits) < limit:
            limit, name = min(limits), "the limit of its cgroup"
        peaks.append(MemoryPeak(host, point.end, point.sample.tree().pss_bytes, limit, name))
    return max(peaks, key=lambda one: one.pss_bytes / max(one.limit_bytes, 1), default=None)


def phase_at(run: RunFiles, moment: float) -> str | None:
    """The innermost phase that was going on at that moment; where one ends as the next starts, the former."""
    around = [span for span in run.timeline.spans if span.start <= moment <= span.end]
    return max(around, key=lambda span: (span.start < moment, span.depth, span.start)).name if around else None


def _ending(run: RunFiles) -> list[str]:
    ended = run.ended or {}
    going = [row.phase for row in run.costs.phases if row.status == "unfinished"]
    innermost = going[-1] if going else None
    if ended.get("status") == "failed":
        where = ended.get("phase") or innermost
        return [f"The run failed{f' in {where}' if where else ''}: {ended.get('error') or 'no reason is known'}."]
    if going:
        return [f"The run was killed in {innermost}: the phase is shown up to the last sample."]
    failed = [row.phase for row in run.costs.phases if row.status == "failed"]
    return [f"An error ended {listed(failed)}, though the run went on or does not say how it ended."] if failed else []


def _costliest(run: RunFiles) -> list[str]:
    outer = [row for row in run.costs.phases if row.within is None]
    if not outer:
        return []
    total, most = run.costs.total, max(outer, key=lambda row: row.wall_seconds)
    text = f"{most.phase} takes most time: {seconds(most.wall_seconds)} of {seconds(total.wall_seconds)} "
    text += f"({part_of(most.wall_seconds, total.wall_seconds)})"
    if most.cpu_seconds is not None and total.cpu_seconds:
        text += f" and {seconds(most.cpu_seconds)} of {seconds(total.cpu_seconds)} of CPU time "
        text += f"({part_of(most.cpu_seconds, total.cpu_seconds)})"
        text += f", with {most.busy_cores_mean:.2f} of {run.timeline.cores} cores busy"
    burner = max(outer, key=lambda row: row.cpu_seconds or 0)
    sentences = [text + "."]
    if burner is not most and burner.cpu_seconds is not None and total.cpu_seconds:
        sentences.append(
            f"{burner.phase} takes most CPU time: {seconds(burner.cpu_seconds)} of {seconds(total.cpu_seconds)} "
            f"({part_of(burner.cpu_seconds, total.cpu_seconds)})."
        )
    return sentences


def _outside(run: RunFiles) -> list[str]:
    covered = seconds_of(merged((span.start, span.end) for span in run.timeline.spans))
    total: PhaseCost = run.costs.total
    left = total.wall_seconds - covered
    if not run.timeline.spans or left < 0.05 * total.wall_seconds:
        return []
    text = f"{seconds(left)} of {seconds(total.wall_seconds)} ({part_of(left, total.wall_seconds)})"
    outer = [row for row in run.costs.phases if row.within is None]
    if total.cpu_seconds and len({row.phase for row in outer}) == len(outer):
        cpu = max(0.0, total.cpu_seconds - sum(row.cpu_seconds or 0 for row in outer))
        text += f" and {seconds(cpu)} of CPU time"
    return [f"{text} lie outside of any phase; the total includes them."]


def _memory(run: RunFiles) -> list[Finding]:
    peak = memory_peak(run)
    if peak is None:
        return []
    where = phase_at(run, peak.seconds)
    share = peak.pss_bytes / max(peak.limit_bytes, 1)
    several = f" on {peak.host.host}" if len(run.timeline.hosts) > 1 else ""
    text = (
        f"Memory{several} peaked at {gigabytes(peak.pss_bytes)} "
        f"{f'in {where}' if where else 'outside of any phase'}, {seconds(peak.seconds)} into the run: "
        f"{percent(100 * share)} of {gigabytes(peak.limit_bytes)}, {peak.limit}."
    )
    found = [Finding(text, share >= NEAR_LIMIT)]
    groups = [one.sample.cgroup for one in peak.host.points if one.sample.cgroup and one.sample.cgroup.limit_bytes]
    fullest = max(groups, key=lambda one: one.anonymous_bytes / (one.limit_bytes or 1), default=None)
    if fullest and fullest.limit_bytes and fullest.anonymous_bytes >= NEAR_LIMIT * fullest.limit_bytes:
        text = (
            f"The cgroup's own count of what cannot be given back came to {gigabytes(fullest.anonymous_bytes)} of "
            f"{gigabytes(fullest.limit_bytes)} (page cache apart: {gigabytes(fullest.page_cache_bytes)})."
        )
        found.append(Finding(text, True))
    rows = [row for row in run.costs.phases if row.pss_gained_bytes and row.pss_start_bytes is not None]
    most = max(rows, key=lambda row: row.pss_gained_bytes or 0, default=None)
    if most is not None and len(rows) > 1:
        text = f"{most.phase} adds most memory: {gigabytes(most.pss_gained_bytes)} above the "
        found.append(Finding(text + f"{gigabytes(most.pss_start_bytes)} that it found."))
    return found


def _overstated(run: RunFiles) -> list[str]:
    curve = memory_curve(run.timeline)
    if not curve or not all(host.pss for host in run.timeline.hosts):
        return []
    most = max(curve, key=lambda one: one.rss_bytes)
    if not most.pss_bytes:
        return []
    over = 100 * (most.rss_bytes / most.pss_bytes - 1)
    if over < 2:
        return [f"Summed RSS and PSS agree to {over:.1f} %: hardly any memory was shared between processes."]
    return [
        f"Summed RSS overstates memory by up to {over:.0f} %: it says {gigabytes(most.rss_bytes)} where PSS, which "
        f"counts shared pages once, says {gigabytes(most.pss_bytes)}. The figures here are PSS."
    ]


def _own_cost(run: RunFiles) -> list[str]:
    hosts = run.timeline.hosts
    if not hosts:
        return []
    used = sum(host.own_cpu_seconds for host in hosts)
    watched = sum(host.points[-1].end - host.points[0].start for host in hosts)
    usages = [point.sample.roles.get("sidecar") for host in hosts for point in host.points]
    own = [usage.pss_bytes for usage in usages if usage]
    share = f"{100 * used / watched:.2f} % of one core" if watched else UNKNOWN
    memory = f", and up to {gigabytes(max(own))} of memory" if own else ""
    where = f" on {counted(len(hosts), 'host')}" if len(hosts) > 1 else ""
    return [f"The monitor itself used {seconds(used)} of CPU time{where}: {share}{memory}. No figure above has it in."]


def _rejected(statistics: Mapping[str, Any] | None) -> list[str]:
    sentences = []
    told = statistics or {}
    for what, part in (("rating", told), ("movie", told.get("movies_file") or {})):
        reasons = part.get("rejected") if isinstance(part, Mapping) else None
        counts = {
            str(reason): int(one["count"])
            for reason, one in (reasons.items() if isinstance(reasons, Mapping) else ())
            if isinstance(one, Mapping) and one.get("count")
        }
        if counts:
            total, rows = sum(counts.values()), part.get("rows_read")
            share = f" of {rows:,} ({part_of(total, rows)})" if rows else ""
            most = sorted(counts, key=lambda reason: -counts[reason])
            which = listed([f"{reason} {counts[reason]:,}" for reason in most])
            were = "was" if total == 1 else "were"
            sentences.append(f"{counted(total, f'{what} row')}{share} {were} rejected: {which}.")
    return sentences
