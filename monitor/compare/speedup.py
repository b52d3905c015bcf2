"""Speed-up, efficiency, spread and the serial fraction: pure functions of seconds and worker counts."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Repeated measurements: the middle one, the extremes, and the sample standard deviation (None of fewer than 2)."""

    middle: float
    low: float
    high: float
    deviation: float | None
    count: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of what is known; None of nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.median(known), min(known), max(known), deviation, len(known))


def serial_fraction(speedup: float, times_workers: float) -> tuple[float | None, str]:
    """The part of the baseline's time that Amdahl's law takes for serial, and why there is none where it is None.

    S = 1 / (f + (1 - f) / W) gives f = (W / S - 1) / (W - 1), with `times_workers` = W: how many times as many
    workers (or how many times what the baseline could use). It lies in 0 to 1 only where 1 <= S <= W.
    """
    if times_workers <= 1:
        return None, "nothing more was there to be used than by the baseline"
    if speedup < 1:
        return None, "slower than the baseline"
    if speedup > times_workers:
        return None, f"faster than {times_workers:.3g} times, which Amdahl's law has no fraction for"
    return (times_workers / speedup - 1) / (times_workers - 1), ""
