"""What the process trees of all hosts used together at any moment of a run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache

from monitor.cost.timeline import HostSeries, Timeline
from monitor.records import TREE_ROLES


@dataclass(frozen=True)
class Memory:
    """The memory of the trees at one moment: summed PSS and RSS, and PSS by role."""

    seconds: float
    pss_bytes: int
    rss_bytes: int
    role_pss_bytes: dict[str, int]


@dataclass(frozen=True)
class Rate:
    """The cores that the trees kept busy on average from start to end."""

    start: float
    end: float
    busy_cores: float


def memory_at(hosts: tuple[HostSeries, ...], seconds: float) -> Memory | None:
    """The last known memory of every host at that moment, summed; None where no host is known then.

    A host without a sample for long (its executor is gone) counts no more.
    """
    pss, rss, found = 0, 0, False
    roles = dict.fromkeys(TREE_ROLES, 0)
    for host in hosts:
        index = bisect_right(host.points, seconds, key=lambda point: point.end) - 1
        if index < 0:
            continue
        if index == len(host.points) - 1 and seconds > host.points[-1].end + _patience(host):
            continue
        found = True
        for role in TREE_ROLES:
            usage = host.points[index].sample.roles.get(role)
            if usage:
                roles[role] += usage.pss_bytes
                pss += usage.pss_bytes
                rss += usage.rss_bytes
    return Memory(seconds, pss, rss, roles) if found else None


@lru_cache(maxsize=2)
def memory_curve(timeline: Timeline) -> tuple[Memory, ...]:
    """The memory of all hosts at the moment of every sample."""
    moments = sorted({point.end for host in timeline.hosts for point in host.points})
    found = (memory_at(timeline.hosts, moment) for moment in moments)
    return tuple(memory for memory in found if memory is not None)


@lru_cache(maxsize=2)
def rate_curve(timeline: Timeline) -> tuple[Rate, ...]:
    """The busy cores of all hosts, an entry a sample of any host: the other hosts' as they were in its middle."""
    rates = []
    for host in timeline.hosts:
        for point in host.points:
            if point.end > point.start:
                middle = (point.start + point.end) / 2
                own = point.sample.tree().cpu_seconds / (point.end - point.start)
                others = (_rate_at(other, middle) for other in timeline.hosts if other is not host)
                rates.append(Rate(point.start, point.end, own + sum(others)))
    return tuple(sorted(rates, key=lambda rate: rate.end))


def _rate_at(host: HostSeries, seconds: float) -> float:
    index = bisect_left(host.points, seconds, key=lambda point: point.end)
    if index == len(host.points) or host.points[index].start > seconds:
        return 0.0
    point = host.points[index]
    return point.sample.tree().cpu_seconds / (point.end - point.start) if point.end > point.start else 0.0


def _patience(host: HostSeries) -> float:
    return max(2 * host.interval_seconds, 1.0)
