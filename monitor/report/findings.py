"""What a reader of a report should notice, in plain sentences with figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.cost.curves import memory_curve
from monitor.cost.phase_costs import PhaseCost
from monitor.cost.run_files import RunFiles
from monitor.cost.timeline import HostSeries, Timeline, merged, seconds_of
from monitor.formatting import UNKNOWN, counted, gigabytes, listed, part_of, percent, seconds
from monitor.records import FAILED, STOPPED
from monitor.spark.work import SparkJob

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


def findings(run: RunFiles, more: Sequence[Finding] = ()) -> list[Finding]:
    """All findings of a run, and `more` of extensions; warnings come first."""
    found = [Finding(text, True) for text in [*_ending(run), *quality(run)]]
    found += more
    found += _memory(run)
    found += [Finding(text) for text in [*_costliest(run), *_outside(run), *_overstated(run)]]
    found += [Finding(text) for text in [*laziness(run), *_own_cost(run)]]
    return sorted(found, key=lambda finding: not finding.warning)


def memory_peak(run: RunFiles) -> MemoryPeak | None:
    """Where the trees' PSS came nearest to what limits it, the machine's memory or a tighter cgroup."""
    peaks = []
    for host in run.timeline.hosts:
        point = max(host.points, key=lambda point: point.sample.tree().pss_bytes)
        limit, name = host.memory_total_bytes, "the machine's memory"
        groups = [point.sample.cgroup for point in host.points if point.sample.cgroup]
        limits = [group.limit_bytes for group in groups if group.limit_bytes]
        if limits and min(limits) < limit:
            limit, name = min(limits), "the limit of its cgroup"
        peaks.append(MemoryPeak(host, point.end, point.sample.tree().pss_bytes, limit, name))
    return max(peaks, key=lambda peak: peak.pss_bytes / max(peak.limit_bytes, 1), default=None)


def phase_at(run: RunFiles, moment: float) -> str | None:
    """The innermost phase that was going on at that moment; where one ends as the next starts, the former."""
    around = [span for span in run.timeline.spans if span.start <= moment <= span.end]
    return max(around, key=lambda span: (span.start < moment, span.depth, span.start)).name if around else None


def _ending(run: RunFiles) -> list[str]:
    ended = run.ended or {}
    going = [row.phase for row in run.costs.phases if row.status == "unfinished"]
    innermost = going[-1] if going else None
    if ended.get("status") == STOPPED:
        return [f"The run was stopped by {ended.get('stopped')}. Its figures are of what was done up to there."]
    if ended.get("status") == FAILED:
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
    part = peak.pss_bytes / max(peak.limit_bytes, 1)
    several = f" on {peak.host.host}" if len(run.timeline.hosts) > 1 else ""
    text = (
        f"Memory{several} peaked at {gigabytes(peak.pss_bytes)} "
        f"{f'in {where}' if where else 'outside of any phase'}, {seconds(peak.seconds)} into the run: "
        f"{percent(100 * part)} of {gigabytes(peak.limit_bytes)}, {peak.limit}."
    )
    found = [Finding(text, part >= NEAR_LIMIT)]
    groups = [
        point.sample.cgroup for point in peak.host.points if point.sample.cgroup and point.sample.cgroup.limit_bytes
    ]
    fullest = max(groups, key=lambda group: group.anonymous_bytes / (group.limit_bytes or 1), default=None)
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
    most = max(curve, key=lambda memory: memory.rss_bytes)
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
    of_core = f"{100 * used / watched:.2f} % of one core" if watched else UNKNOWN
    memory = f", and up to {gigabytes(max(own))} of memory" if own else ""
    where = f" on {counted(len(hosts), 'host')}" if len(hosts) > 1 else ""
    return [
        f"The monitor itself used {seconds(used)} of CPU time{where}: {of_core}{memory}. No figure above has it in."
    ]


MISSED, LATE = 0.02, 0.05  # of the samples: fewer say nothing
UNSEEN = 0.1  # of a phase's time
FOREIGN = 15  # percent of a machine


def quality(run: RunFiles) -> list[str]:
    """A sentence for everything that makes figures doubtful."""
    timeline = run.timeline
    sentences = []
    if not timeline.hosts:
        sentences.append("There are no samples: only wall times are known. CPU and memory were not watched.")
    for host in timeline.hosts:
        sentences += _of_host(host, len(timeline.hosts) > 1)
    if timeline.without_data:
        which = listed(timeline.without_data)
        many = len(timeline.without_data) > 1
        sentences.append(
            f"No data came from {'the hosts' if many else 'the host'} {which}: what ran there is in no figure."
        )
    sentences += [f"The monitor met with a problem: {problem}." for problem in timeline.problems]
    driver = timeline.driver
    if timeline.hosts and driver is None:
        sentences.append("The driver's host has no samples: the figures are of the executors' hosts alone.")
    if driver and timeline.spans:
        first = timeline.spans[0].start
        if driver.points[0].end > first + max(2 * driver.interval_seconds, 1.0):
            late = driver.points[0].end - first
            sentences.append(f"Sampling began {seconds(late)} after the first phase: what that cost is unknown.")
        for row in run.costs.phases:
            unseen = row.wall_seconds - row.seen_seconds
            if row.samples and unseen > max(UNSEEN * row.wall_seconds, 2 * driver.interval_seconds):
                sentences.append(
                    f"{row.phase}: no sample covers {seconds(unseen)} of its {seconds(row.wall_seconds)}, "
                    "so that its CPU time and means are too low."
                )
    short = [row.phase for row in run.costs.phases if not row.samples]
    if short and timeline.hosts:
        sentences.append(
            f"No sample fell into {listed(short, 10)}: peaks are unknown there, and CPU time is a part of what the "
            "samples around say."
        )
    return sentences


def _of_host(host: HostSeries, several: bool) -> list[str]:
    where = f" on {host.host}" if several else ""
    sentences = []
    taken = len(host.points)
    if host.missed > MISSED * (taken + host.missed):
        planned = taken + host.missed
        sentences.append(
            f"{counted(host.missed, 'sample')} of {planned:,} ({part_of(host.missed, planned)}) "
            f"{'was' if host.missed == 1 else 'were'} missed{where}: the machine was too busy to be watched every "
            f"{host.interval_seconds:g} s, and short peaks may be unseen."
        )
    delays = [point.sample.late_seconds for point in host.points]
    delays = [delay for delay in delays if delay > host.interval_seconds / 2]
    if len(delays) > LATE * taken:
        sentences.append(
            f"{counted(len(delays), 'sample')} of {taken:,} came over half an interval late{where}, at worst by "
            f"{seconds(max(delays))}."
        )
    run, machine = busy_percent(host)
    if machine - run > FOREIGN:
        sentences.append(
            f"Other work kept the machine{where} busy: {machine:.0f} % of its CPU was used, {run:.0f} % by this run. "
            "Times would be shorter on an idle machine."
        )
    if not host.pss:
        sentences.append(f"The kernel gives no PSS{where}: RSS stands for it, and shared pages count several times.")
    if host.ended is None:
        last = host.points[-1]
        sentences.append(
            f"The monitor{where} was killed, or still goes on: its last sample is at {seconds(last.end)}, with "
            f"{gigabytes(last.sample.tree().pss_bytes)} in use."
        )
    error = host.clock_error_seconds
    if error is not None and error > host.interval_seconds:
        sentences.append(f"The clock of {host.host} is known to {seconds(error)} only: its curves may be off by that.")
    if several and host.role == "executor" and host.clock_offset_seconds is None:
        sentences.append(f"How far the clock of {host.host} differs is unknown: it is taken for right.")
    return sentences


def busy_percent(host: HostSeries) -> tuple[float, float]:
    """The mean CPU use of the run's tree and of the whole machine, in percent of the host's cores."""
    known = [point for point in host.points if point.sample.machine.cpu_percent is not None and point.end > point.start]
    length = sum(point.end - point.start for point in known)
    if not length or not host.cores:
        return 0.0, 0.0
    tree = sum(point.sample.tree().cpu_seconds for point in known)
    machine = sum((point.sample.machine.cpu_percent or 0) * (point.end - point.start) for point in known)
    return 100 * tree / length / host.cores, machine / length


def laziness(run: RunFiles) -> list[str]:
    """Sentences on phases without jobs, jobs without a phase, and jobs that ran in another phase than their own."""
    if run.jobs is None:
        return []
    sentences = []
    idle = [row for row in run.costs.phases if not row.jobs]
    if idle and run.jobs:
        names = listed([f"{row.phase} ({seconds(row.wall_seconds)})" for row in idle], 10)
        sentences.append(
            f"No Spark job ran in {names}: what Spark has to do for {'it' if len(idle) == 1 else 'them'}, if anything, "
            "is paid for later."
        )
    if not run.jobs:
        sentences.append("No Spark job ran at all.")
    where = [(job, phase_of(job, run.timeline)) for job in run.jobs if job.submitted]
    outside = [job for job, phase in where if phase is None]
    if outside and run.timeline.spans:
        taken = sum(_seconds(job) for job in outside)
        sentences.append(
            f"{counted(len(outside), 'Spark job')} ({seconds(taken)}) ran outside of any phase; no phase has the cost."
        )
    known = {span.name for span in run.timeline.spans}
    moved: dict[tuple[str, str], list[SparkJob]] = {}
    for job, phase in where:
        own = job.phase
        if own is not None and own in known and not _going_on(job, own, run.timeline):
            moved.setdefault((own, phase or "no phase"), []).append(job)
    for (own, phase), jobs in moved.items():
        taken = sum(_seconds(job) for job in jobs)
        sentences.append(
            f"Work of {own} ran later: {counted(len(jobs), 'Spark job')} of it ({seconds(taken)}) in {phase}."
        )
    return sentences


def phase_of(job: SparkJob, timeline: Timeline) -> str | None:
    """The innermost phase in which a job was submitted."""
    moment = timeline.at_wall(job.submitted) + 0.001  # Spark cuts its times off to milliseconds
    around = [span for span in timeline.spans if span.start < moment <= span.end]
    return max(around, key=lambda span: (span.depth, span.start)).name if around else None


def _going_on(job: SparkJob, name: str, timeline: Timeline) -> bool:
    moment = timeline.at_wall(job.submitted) + 0.001
    return any(span.name == name and span.start < moment <= span.end for span in timeline.spans)


def _seconds(job: SparkJob) -> float:
    return max(0.0, job.completed - job.submitted) if job.completed is not None else 0.0
