"""The runs of a grid: their figures, as grid.csv and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from monitor.compare.fields import PLAIN, ComparisonFields, GridColumn, Table
from monitor.compare.runs import find_fields, settings_of, wall_seconds
from monitor.cost.run_files import RunFiles, read_run
from monitor.errors import MonitorError
from monitor.formatting import UNKNOWN
from monitor.records import SUCCEEDED

GRID = "grid.csv"
_SPEEDUPS = {"wall_seconds": "speedup", "training_seconds": "training_speedup"}
OWN_COLUMNS = (
    GridColumn("wall_seconds", "wall s", 1),
    GridColumn("speedup", "speed-up", 2),
    GridColumn("training_speedup", "training speed-up", 2),
    GridColumn("cpu_seconds", "CPU s", 1),
    GridColumn("pss_peak_bytes", "peak GB", 2, 1e9),
    GridColumn("core_hours", "core-hours", 4),
    GridColumn("gb_hours", "GB-hours", 4),
    GridColumn("cost", "cost", 6),
)


@dataclass(frozen=True)
class Prices:
    """What an hour of one core, and of one gigabyte (1e9 bytes) of memory, costs, in any currency."""

    core_hour: float
    gb_hour: float


@dataclass(frozen=True)
class GridRun:
    """One run of a grid: its varied settings, its worker count, how it ended, and its measured figures by name.

    `status` is as in run.json, or "does not fit" (in memory). `figures` is empty, or of what there was, for a run that
    did not end well; `reason` says why, or why a run was stopped.
    """

    name: str
    settings: Mapping[str, Any]
    workers: int
    repeat: int
    status: str
    reason: str
    figures: Mapping[str, float]


class Grid(NamedTuple):
    """The runs of a grid, failed ones too, the keys that were varied, and the figures that its table shows.

    Without `columns` the table shows the usual ones.
    """

    runs: Sequence[GridRun]
    keys: Sequence[str]
    columns: Sequence[str] = ()


def grid_run(
    path: Path, settings: Mapping[str, Any], workers: int, repeat: int, status: str, reason: str, prices: Prices
) -> GridRun:
    """The row of a run that has ended."""
    try:
        run = read_run(path)
        figures = run_figures(run, workers, prices, find_fields([run]))
    except MonitorError:  # it failed before it had a phase
        figures = {}
    return GridRun(path.name, dict(settings), workers, repeat, status, " ".join(reason.split()), figures)


def run_figures(run: RunFiles, workers: int, prices: Prices, fields: ComparisonFields = PLAIN) -> dict[str, float]:
    """The figures of a run as far as they are known.

    core_hours: wall time times the cores that were set aside: those that the settings allow, else one a worker but no
    more than there are. gb_hours: wall time times the memory that the settings allow, else the peak. cost: both times
    their prices. `fields` add wall times of phases, and figures of their own.
    """
    total = run.costs.total
    hours = wall_seconds(run) / 3600
    settings = settings_of(run, fields)
    cores = settings.get(fields.cores_key or "", min(workers, run.timeline.cores) if run.timeline.cores else workers)
    peak = total.pss_peak_bytes
    allowed = settings.get(fields.memory_gb_key or "")
    gigabytes = allowed if allowed is not None else None if peak is None else peak / 1e9
    known: dict[str, float | None] = {
        "wall_seconds": round(hours * 3600, 3),
        **{name: _phase_seconds(run, phase) for name, phase in fields.phase_seconds.items()},
        "pss_peak_bytes": peak,
        "cpu_seconds": total.cpu_seconds,
        **fields.figures(run),
        "core_hours": hours * cores,
        "gb_hours": None if gigabytes is None else hours * gigabytes,
    }
    if gigabytes is not None:
        known["cost"] = prices.core_hour * hours * cores + prices.gb_hour * hours * gigabytes
    return {name: value for name, value in known.items() if value is not None}


def _phase_seconds(run: RunFiles, phase: str) -> float | None:
    rows = (row for row in run.costs.phases if row.phase == phase and row.status == "done")
    return next((row.wall_seconds for row in rows), None)


def with_speedups(runs: Sequence[GridRun]) -> list[GridRun]:
    """The runs with their speed-up over one worker, where that ran with the same other settings; the median of its
    repeats counts."""
    if all(run.workers == 1 for run in runs):
        return list(runs)
    found = []
    for run in runs:
        more = dict(run.figures)
        alone = [other for other in runs if other.workers == 1 and _others(other) == _others(run)]
        for name, speedup in _SPEEDUPS.items():
            known = [other.figures[name] for other in alone if other.status == SUCCEEDED and name in other.figures]
            if run.status == SUCCEEDED and known and run.figures.get(name):
                more[speedup] = median(known) / run.figures[name]
        found.append(replace(run, figures=more))
    return found


def _others(run: GridRun) -> dict[str, Any]:
    return {key: value for key, value in run.settings.items() if key != "workers"}


def grid_csv(runs: Sequence[GridRun], keys: Sequence[str]) -> str:
    """grid.csv: run, the varied keys, workers, repeat, status, reason, then every figure that any run has."""
    runs = with_speedups(runs)
    names = list(dict.fromkeys(name for run in runs for name in run.figures))
    last = [name for name in names if name in ("core_hours", "gb_hours", "cost")]
    names = [name for name in names if name not in last] + last
    varied = [key for key in keys if key != "workers"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *varied, "workers", "repeat", "status", "reason", *names])
    for run in runs:
        settings = [run.settings.get(key, "") for key in varied]
        figures = [_rounded(run.figures.get(name)) for name in names]
        writer.writerow([run.name, *settings, run.workers, run.repeat, run.status, run.reason, *figures])
    return text.getvalue()


def write_grid(runs: Sequence[GridRun], keys: Sequence[str], folder: Path) -> Path:
    """Writes grid.csv, whole or not at all."""
    path = folder / GRID
    temporary = path.with_name(f".{GRID}")
    temporary.write_text(grid_csv(runs, keys), encoding="utf-8")
    temporary.replace(path)
    return path


def grid_table(
    runs: Sequence[GridRun], keys: Sequence[str], fields: ComparisonFields = PLAIN, columns: Sequence[str] = ()
) -> Table:
    """What fits a page of it: the figures named by `columns`, or the usual ones."""
    shown = _shown(runs, fields, columns)
    rows = [
        (
            *[str(value_of(run, key)) for key in keys],
            *([str(run.repeat)] if _repeated(runs) else []),
            *[_cell(run.figures.get(column.name), column.digits, column.divisor) for column in shown],
            run.status if run.status == SUCCEEDED else f"{run.status}: {run.reason}",
        )
        for run in with_speedups(runs)
    ]
    heads = (*keys, *(["repeat"] if _repeated(runs) else []), *[column.title for column in shown], "status")
    return Table("All runs of the grid", heads, tuple(rows), _about({column.name for column in shown}))


def _shown(runs: Sequence[GridRun], fields: ComparisonFields, columns: Sequence[str]) -> list[GridColumn]:
    names = list(dict.fromkeys(name for run in runs for name in run.figures))
    more = fields.grid_columns([*names, *columns])
    known = {column.name: column for column in (*OWN_COLUMNS, *more)}
    if columns:
        return [known[name] for name in columns if name in known]
    phases = [column for column in more if column.name in fields.phase_seconds]
    others = [column for column in more if column.name not in fields.phase_seconds and column.name in names]
    return [known["wall_seconds"], *phases, known["cpu_seconds"], known["pss_peak_bytes"], *others, known["cost"]]


def _about(names: set[str]) -> str:
    """What the figures of the table mean."""
    text = ["Cost is core-hours and GB-hours times their prices."] if "cost" in names else []
    if {"core_hours", "gb_hours", "cost"} & names:
        text.append(
            "Core-hours are wall time times the cores of the machine or, where no size is set, a core a worker as "
            "far as there are. GB-hours are wall time times the machine's memory, or where none is set the peak."
        )
    if {"speedup", "training_speedup"} & names:
        text.append("Speed-up is over one worker with the same other settings.")
    if "pss_peak_bytes" in names:
        text.append("Peak is the highest sampled memory (PSS) of all processes together.")
    return " ".join(text)


def _repeated(runs: Sequence[GridRun]) -> bool:
    return any(run.repeat > 1 for run in runs)


def _cell(value: float | None, digits: int, size: float) -> str:
    return UNKNOWN if value is None else f"{value / size:,.{digits}f}"


def _rounded(value: float | None) -> object:
    return "" if value is None else float(f"{value:.9g}") if isinstance(value, float) else value


def value_of(run: GridRun, key: str) -> Any:
    """The value of a varied key."""
    return run.workers if key == "workers" else run.settings.get(key)
