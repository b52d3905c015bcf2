"""The phase table as CSV, as Markdown, and as lines for a screen."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from monitor.cost.phase_costs import COLUMNS, Costs, PhaseCost
from monitor.formatting import UNKNOWN

# name on the screen, digits, what it is divided by
_SCREEN: tuple[tuple[str, str, int, float], ...] = (
    ("wall_seconds", "wall s", 2, 1),
    ("cpu_seconds", "CPU s", 2, 1),
    ("cpu_percent_mean", "CPU %", 0, 1),
    ("cpu_percent_peak", "peak %", 0, 1),
    ("busy_cores_mean", "cores", 2, 1),
    ("pss_start_bytes", "start GB", 2, 1e9),
    ("pss_gained_bytes", "gained GB", 2, 1e9),
    ("pss_peak_bytes", "peak GB", 2, 1e9),
    ("read_bytes", "read GB", 2, 1e9),
    ("write_bytes", "written GB", 2, 1e9),
    ("samples", "samples", 0, 1),
)


def costs_csv(costs: Costs) -> str:
    """phases.csv: a row a phase and the total; what is unknown is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in (*costs.phases, costs.total))
    return text.getvalue()


def costs_markdown(costs: Costs) -> str:
    """The table of phases.md: the same columns as phases.csv, what is unknown as a dash."""
    rows = [[_cell(getattr(row, column)) for column in COLUMNS] for row in (*costs.phases, costs.total)]
    text = {"phase", "status", "within"}
    right = [column not in text for column in COLUMNS]
    return "\n".join(_aligned([list(COLUMNS), *rows], right, " | ", ("| ", " |"), rule=True)) + "\n"


def costs_screen(costs: Costs) -> str:
    """What fits a screen of it: memory is PSS, in GB."""
    rows = [[_short(row, *column) for column in _SCREEN] for row in (*costs.phases, costs.total)]
    names = ["phase", *(title for _, title, _, _ in _SCREEN)]
    lines = [[row.phase, *cells] for row, cells in zip((*costs.phases, costs.total), rows, strict=True)]
    return "\n".join(_aligned([names, *lines], [False] + [True] * len(_SCREEN), "  ", ("", "")))


def _short(row: PhaseCost, name: str, _title: str, digits: int, size: float) -> str:
    value = getattr(row, name)
    return UNKNOWN if value is None else f"{value / size:,.{digits}f}"


def _cell(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, float):
        return f"{value:.3f}"
    # a name may be anything, and must not end the cell or the row
    return " ".join(str(value).split()).replace("|", "\\|")


def _aligned(
    rows: Sequence[Sequence[str]], right: Sequence[bool], between: str, edges: tuple[str, str], rule: bool = False
) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(right))]
    lines = [
        edges[0]
        + between.join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        )
        + edges[1]
        for row in rows
    ]
    if rule:
        marks = ["-" * (w - 1) + ":" if to_right else "-" * w for w, to_right in zip(widths, right, strict=True)]
        lines.insert(1, edges[0] + between.join(marks) + edges[1])
    return [line.rstrip() for line in lines]
