"""The scale of ratings, and the values that say "not rated"."""

from __future__ import annotations

from dataclasses import dataclass

COUNT_MIN, COUNT_MAX = 2.0**-100, 2.0**100  # of counts: any positive number


@dataclass(frozen=True)
class Scale:
    """The scale of the ratings: from `low` to `high`, in steps of `step` where that is not None."""

    low: float
    high: float
    step: float | None = None
    missing: tuple[float, ...] = ()
    """Values that say "not rated"; they are no ratings, on the scale or off it."""

    def __str__(self) -> str:
        steps = f" in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{steps}"
