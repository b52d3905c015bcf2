"""The scale of ratings, as their values tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from statistics import median

# scales that people use, the first that fits counts
_COMMON = ((0, 1), (-1, 1), (1, 5), (0.5, 5), (0, 5), (1, 10), (0, 10), (-10, 10), (1, 100), (0, 100))
_ENOUGH = 0.6  # of a common scale the values must cover at least this much, but for a few values
_FEW = 5  # values
_RARE = 0.01  # of the rows: a value far off that is rarer is a mistake, not a code
_EXACT = 1024  # steps are multiples of 1/4 and values below this, so that floats hold them exactly
_MOST = 1000  # more values than this are no steps


@dataclass(frozen=True)
class ToldScale:
    """The scale from `low` to `high`, in steps of `step` where that is not None."""

    low: float
    high: float
    step: float | None
    codes: tuple[float, ...] = ()
    """Values far off the others that may say "not rated"; they are on the scale all the same."""

    def __str__(self) -> str:
        steps = f" in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{steps}"


def told_scale(counts: Mapping[float, float]) -> ToldScale | None:
    """The scale of ratings of which each value occurs so many times; None where there is none."""
    rows = sum(counts.values())
    mistakes = _rare_tails(counts)
    values = sorted(value for value, count in counts.items() if count and value not in mistakes)
    far = _far_off(values)
    near = [value for value in values if value not in far]
    if not near:
        return None
    codes = tuple(value for value in far if counts[value] > _RARE * rows)
    low, high = _snapped(near)
    step = _step(near)
    if codes:
        low, high = min(low, *codes), max(high, *codes)
    on_grid = not step or all((value - low) % step == 0 for value in [*near, *codes])
    return ToldScale(float(low), float(high), step if on_grid else None, codes)


def are_counts(counts: Mapping[float, int]) -> bool:
    """Whether values are counts (such as plays) and no ratings: whole numbers from 1 on, few of them very large."""
    if any(value < 1 or value % 1 for value in counts):
        return False
    mistakes = _rare_tails(counts)
    far = {*mistakes, *_far_off(sorted(counts.keys() - mistakes))}  # also a code such as 999 makes no counts of ratings
    every = sorted(value for value, count in counts.items() if value not in far for _ in range(min(count, 1000)))
    return len(counts) > 10 and every[-1] > max(100, 5 * median(every))


def _rare_tails(counts: Mapping[float, float]) -> set[float]:
    """Values at an end, far off all others and rare even together, such as the times of rows with a field too many."""
    most = _RARE * sum(counts.values())
    found: set[float] = set()
    for sign in (1, -1):
        values = sorted((value for value in counts if value not in found), key=lambda value: sign * value)
        rows, tail = 0.0, len(values)
        for at in range(len(values) - 1, 2, -1):
            rows += counts[values[at]]
            if rows > most:
                break
            if abs(values[at] - values[at - 1]) > max(2 * abs(values[at - 1] - values[0]), 3):
                tail = at
        found.update(values[tail:])
    return found


def _far_off(values: list[float]) -> list[float]:
    """A value at an end that is far off all others, which are at least three."""
    found = []
    if len(values) > 3:
        rest = values[:-1]
        if values[-1] - rest[-1] > max(2 * (rest[-1] - rest[0]), 3):
            found.append(values[-1])
            values = rest
    if len(values) > 3:
        rest = values[1:]
        step = _step(rest)
        gap = rest[0] - values[0]
        below = values[0] < 0 <= rest[0]
        if gap > max(2 * (rest[-1] - rest[0]), 3) or (below and step is not None and gap > step):
            found.append(values[0])
    return found


def _snapped(values: list[float]) -> tuple[float, float]:
    """The ends of a common scale that the values cover well, else their own."""
    low, high = values[0], values[-1]
    step = _step(values)
    if step is not None and step > 1:
        return low, high
    for bottom, top in _COMMON:
        covers = high - low >= _ENOUGH * (top - bottom) or (len(values) < _FEW and top <= 5)
        if bottom <= low and high <= top and covers:
            return bottom, top
    return low, high


def _step(values: list[float]) -> float | None:
    """The step of values that are multiples of 1/4; None of others."""
    if len(values) > _MOST or any(abs(value) > _EXACT or (4 * value) % 1 for value in values):
        return None
    quarters = [int(4 * value) for value in values]
    step = gcd(*[quarter - quarters[0] for quarter in quarters]) if len(values) > 1 else 4
    if step > 4 and len(values) < _FEW:
        step = 4
    return gcd(step, quarters[0], 4) / 4 if step <= 4 else step / 4
