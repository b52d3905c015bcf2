"""How far the figures of a run can be trusted: samples missed or late, hosts and stretches without data."""

from __future__ import annotations

from monitor.report.figures import counted, gigabytes, listed, part_of, seconds
from monitor.report.runfiles import RunFiles
from monitor.report.timeline import HostSeries

MISSED, LATE = 0.02, 0.05  # of the samples: fewer tell nothing
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
            f"No sample fell into {listed(short, 10)}: peaks are unknown there, and CPU time is a share of what the "
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
        sentences.append(f"The kernel tells no PSS{where}: RSS stands for it, and shared pages count several times.")
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
