"""The runs of a grid as a table: a row a run with its settings, how it ended, what it took and what that costs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.compare.runs import wall_seconds
from monitor.compare.tables import Table
from monitor.errors import MonitorError
from monitor.report.figures import UNKNOWN
from monitor.report.runfiles import RunFiles, read_run

GRID = "grid.csv"
TRAINING = "model_training"
SUCCEEDED, FAILED = "succeeded", "failed"


@dataclass(frozen=True)
class Prices:
    """What an hour of one core, and of one gigabyte (1e9 bytes) of memory, costs, in any currency."""

    core_hour: float
    gb_hour: float


@dataclass(frozen=True)
class GridRun:
    """One run of a grid: its varied settings, its worker count, how it ended, and its measured figures by name.

    `figures` is empty, or of what there was, for a run that failed; `reason` says why it did.
    """

    name: str
    settings: Mapping[str, Any]
    workers: int
    repeat: int
    status: str
    reason: str
    figures: Mapping[str, float]


def grid_run(
    path: Path, settings: Mapping[str, Any], workers: int, repeat: int, status: str, reason: str, prices: Prices
) -> GridRun:
    """The row of a run that has ended."""
    try:
        figures = run_figures(read_run(path), workers, prices)
    except MonitorError:  # it failed before it had a phase
        figures = {}
    return GridRun(path.name, dict(settings), workers, repeat, status, " ".join(reason.split()), figures)


def run_figures(run: RunFiles, workers: int, prices: Prices) -> dict[str, float]:
    """Wall time, training time, memory, CPU time, metrics and cost of a run, as far as they are known.

    core_hours: wall time times the cores that were set aside, one a worker but no more than there are. gb_hours: wall
    time times peak memory. cost: both times their prices.
    """
    total = run.costs.total
    hours = wall_seconds(run) / 3600
    cores = min(workers, run.timeline.cores) if run.timeline.cores else workers
    training = next((row for row in run.costs.phases if row.phase == TRAINING and row.status == "done"), None)
    peak = total.pss_peak_bytes
    known: dict[str, float | None] = {
        "wall_seconds": round(hours * 3600, 3),
        "training_seconds": training.wall_seconds if training else None,
        "pss_peak_bytes": peak,
        "cpu_seconds": total.cpu_seconds,
        **dict(_metrics(run.metrics or {})),
        "core_hours": hours * cores,
        "gb_hours": None if peak is None else hours * peak / 1e9,
    }
    if peak is not None:
        known["cost"] = prices.core_hour * hours * cores + prices.gb_hour * hours * peak / 1e9
    return {name: value for name, value in known.items() if value is not None}


def _metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The model's own figures: losses, errors, and ranking figures by their mean."""
    losses = metrics.get("reconstruction") or {}
    for name, key in (("train", "train_loss"), ("test", "test_loss"), ("divergence", "divergence")):
        if isinstance(losses.get(name), int | float):
            yield key, losses[name]
    for part in ("rating_prediction", "ranking"):
        for key, value in ((metrics.get(part) or {}).get("model") or {}).items():
            number = value.get("mean") if isinstance(value, Mapping) else value
            if isinstance(number, int | float):
                yield key, number


def grid_csv(runs: Sequence[GridRun], keys: Sequence[str]) -> str:
    """grid.csv: run, the varied keys, workers, repeat, status, reason, then every figure that any run has."""
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


def grid_table(runs: Sequence[GridRun], keys: Sequence[str]) -> Table:
    """What fits a page of it."""
    shown = (
        ("wall_seconds", "wall s", 1, 1.0),
        ("training_seconds", "training s", 1, 1.0),
        ("cpu_seconds", "CPU s", 1, 1.0),
        ("pss_peak_bytes", "peak GB", 2, 1e9),
        ("test_loss", "test loss", 6, 1.0),
        ("divergence", "divergence %", 2, 0.01),
        ("rmse", "RMSE", 4, 1.0),
        *((name, name, 4, 1.0) for name in _ranking(runs)),
        ("cost", "cost", 6, 1.0),
    )
    varied = [key for key in keys if key != "workers"]
    rows = [
        (
            run.name,
            *[str(run.settings.get(key, UNKNOWN)) for key in varied],
            str(run.workers),
            *[_cell(run.figures.get(name), digits, size) for name, _, digits, size in shown],
            run.status if run.status == SUCCEEDED else f"{run.status}: {run.reason}",
        )
        for run in runs
    ]
    columns = ("run", *varied, "workers", *[title for _, title, _, _ in shown], "status")
    about = "Cost is core-hours and GB-hours times the prices of the settings' table [cost]."
    return Table("All runs of the grid", columns, tuple(rows), about)


def _ranking(runs: Sequence[GridRun]) -> list[str]:
    return [name for name in dict.fromkeys(key for run in runs for key in run.figures) if name.startswith("ndcg@")]


def _cell(value: float | None, digits: int, size: float) -> str:
    return UNKNOWN if value is None else f"{value / size:,.{digits}f}"


def _rounded(value: float | None) -> object:
    return "" if value is None else float(f"{value:.9g}") if isinstance(value, float) else value
