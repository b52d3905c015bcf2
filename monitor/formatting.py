"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN = "–"


def gigabytes(count: float | None) -> str:
    """Bytes as 1.23 GB, 45 MB, 6 kB or 7 B (decimal units)."""
    if count is None:
        return UNKNOWN
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= size:
            digits = 2 if unit == "GB" and abs(count) < 99.5e9 else 0
            return f"{count / size:,.{digits}f} {unit}"
    return f"{count:,.0f} B"


def seconds(value: float | None) -> str:
    """Seconds with as many digits as say something: 0.042 s, 3.21 s, 48.6 s, 1,234 s."""
    if value is None:
        return UNKNOWN
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f} s"


def duration(value: float) -> str:
    """A length of time: 48.6 s, 12 min 5 s, 3 h 20 min."""
    if value < 120:
        return seconds(value)
    minutes, rest = divmod(round(value), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(value: float | None, digits: int = 0) -> str:
    """A percentage (0 to 100)."""
    return UNKNOWN if value is None else f"{value:.{digits}f} %"


def part_of(part: float, whole: float) -> str:
    """The part in percent of the whole."""
    if not whole:
        return UNKNOWN
    value = 100 * part / whole
    return "below 1 %" if 0 < value < 0.5 else f"{value:.0f} %"


def listed(names: Sequence[str], most: int = 6) -> str:
    """a, b and c; of many the first ones."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(number: int, noun: str) -> str:
    """1 sample, 2 samples."""
    return f"{number:,} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")
