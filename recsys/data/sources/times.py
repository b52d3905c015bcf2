"""What the times of a file are: numbers in some unit, or dates and times as text."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_ISO = re.compile(
    r"[+-]?\d{4,6}-\d{1,2}-\d{1,2}(?:[T ]\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{1,2}(?::?\d{2})?)?)?"
)
# up to which number of units since 1970 a time of this millennium is in that unit
_UNITS = ((1e11, "seconds", 1), (1e14, "milliseconds", 10**3), (1e17, "microseconds", 10**6))
_MOSTLY = 0.9


@dataclass(frozen=True)
class Times:
    """How the times of a file are read, and in which unit they are kept."""

    unit: str = "seconds"
    """What the file holds: "seconds", "milliseconds", "microseconds", "nanoseconds" or "dates"."""
    per_second: int = 1
    """How many units of the file's numbers are a second."""
    stored: int = 1
    """How many units of the integers that are kept are a second."""


SECONDS = Times()


def told_times(values: Sequence[str]) -> Times | None:
    """What the times of these values are; None where most of them are neither numbers nor ISO dates."""
    values = [value.strip() for value in values if value.strip()]
    numbers = [number for value in values if (number := _number(value)) is not None]
    dates = sum(_ISO.fullmatch(value) is not None for value in values)
    if len(numbers) + dates < _MOSTLY * len(values):
        return None
    if dates > len(numbers):
        return Times("dates", 1, 10**6)
    if not numbers:
        return SECONDS
    middle = statistics.median(abs(number) for number in numbers)
    unit, per_second = next(((name, per) for top, name, per in _UNITS if middle < top), ("nanoseconds", 10**9))
    fractions = per_second == 1 and any(number % 1 for number in numbers)
    return Times(unit, per_second, 10**6 if fractions else per_second)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither NaN nor infinite
