"""Best values that lie at an end of their range."""

from __future__ import annotations

from typing import Any

from recsys.config.ranges import Range, Space
from recsys.errors import ConfigError
from recsys.tuning.results import TrialRow
from recsys.tuning.trial import Workbench

_NEAR = 0.05  # of a range on its scale: what lies nearer to an end lies at it


def bounds_of(best: TrialRow, space: Space, bench: Workbench) -> list[str]:
    """A sentence for each of the best values that lies at an end of its range, where the settings allow more."""
    lines = []
    for key, value in best.parameters.items():
        entry = space[key]
        if not isinstance(entry, Range):
            continue
        place = entry.place(value)
        upper = place >= 1 - _NEAR
        if not upper and place > _NEAR:
            continue
        end = entry.high if upper else entry.low
        if _allowed(bench, key, _beyond(entry, upper)):
            which = "upper" if upper else "lower"
            lines.append(f"{key} = {value:.4g} lies at the {which} bound of its range ({end:g}): widen it")
    return lines


def _beyond(entry: Range, upper: bool) -> int | float:
    """A value a little outside of the range."""
    if entry.type == "int":
        return entry.value(entry.high + 1 if upper else entry.low - 1)
    if entry.scale == "log":
        return entry.high * 1.1 if upper else entry.low / 1.1
    return entry.high + 0.01 * (entry.high - entry.low) if upper else entry.low - 0.01 * (entry.high - entry.low)


def _allowed(bench: Workbench, key: str, value: Any) -> bool:
    try:
        bench.config_at({key: value})
    except ConfigError:
        return False
    return True
