"""Stretches of time as (start, end) pairs in seconds: what they have in common, and how much of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

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


def common_seconds(one: Interval, others: Sequence[Interval]) -> float:
    """How much of one interval lies in merged others."""
    total = 0.0
    place = max(0, bisect_left(others, (one[0],)) - 1)
    while place < len(others) and others[place][0] < one[1]:
        total += max(0.0, min(one[1], others[place][1]) - max(one[0], others[place][0]))
        place += 1
    return total


def share(one: Interval, others: Sequence[Interval]) -> float:
    """The part (0 to 1) of one interval that lies in merged others; an interval without length is in or out."""
    if one[1] > one[0]:
        return common_seconds(one, others) / (one[1] - one[0])
    return float(holds(others, one[0]))


def holds(merged_ones: Sequence[Interval], moment: float) -> bool:
    """Whether a moment lies in one of them: a start is not in it, an end is, as a sample tells of what was before."""
    place = bisect_left(merged_ones, (moment,)) - 1  # the last that starts before
    return place >= 0 and moment <= merged_ones[place][1]
