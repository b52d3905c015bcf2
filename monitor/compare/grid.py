"""The runs of a grid as a table and as pictures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.compare.comparison import Spread, spread
from monitor.compare.fields import PLAIN, ComparisonFields, GridColumn, Table
from monitor.compare.runs import find_fields, settings_of, short_key, wall_seconds
from monitor.cost.run_files import RunFiles, read_run
from monitor.errors import MonitorError
from monitor.formatting import UNKNOWN, counted
from monitor.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = "grid.csv"
SUCCEEDED, FAILED, DOES_NOT_FIT = "succeeded", "failed", "does not fit"
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

    `status` is "succeeded", "does not fit" (in memory) or "failed". `figures` is empty, or of what there was, for a run
    that did not succeed; `reason` says why.
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
            *[str(_value(run, key)) for key in keys],
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


_PANELS = (
    ("wall_seconds", "wall time (s)", 1.0),
    ("pss_peak_bytes", "peak memory (GB, PSS)", 1e9),
    ("cost", "cost", 1.0),
)
_MARKERS = {FAILED: "x", DOES_NOT_FIT: "X"}
_LINES = ("-", "--", ":", "-.")
_MOST_LINES = 24


def plot_grid(runs: Sequence[GridRun], keys: Sequence[str], folder: Path) -> list[canvas.Picture]:
    """Draws one picture a key that takes more than one value, grid-KEY.png."""
    pictures = []
    for key in keys:
        figure = grid_figure(runs, keys, key)
        if figure is None:
            continue
        path = folder / f"grid-{re.sub(r'[^A-Za-z0-9_.-]+', '-', key)}.png"
        canvas.save(figure, path)
        failed, too_large = (sum(run.status == status for run in runs) for status in (FAILED, DOES_NOT_FIT))
        text = f"Wall time, peak memory and cost of {counted(len(runs), 'run')} against {key}"
        text += f"; {counted(failed, 'run')} failed" if failed else ""
        text += f"; {counted(too_large, 'run')} not fitting in memory." if too_large else "."
        pictures.append(canvas.Picture(path, f"Against {key}", text))
    return pictures


def grid_figure(runs: Sequence[GridRun], keys: Sequence[str], key: str) -> Figure | None:
    """Three panels over the values of `key`; a cross at the bottom is a run that failed or does not fit. None of one
    value."""
    values = list(dict.fromkeys(_value(run, key) for run in runs))
    if len(values) < 2:
        return None
    positions = _positions(values)
    if _is_numeric(values):
        values.sort(key=positions.__getitem__)
    lines: dict[str, list[GridRun]] = {}
    for run in runs:
        others = [f"{short_key(name)}={_value(run, name)}" for name in keys if name != key and _varies(runs, name)]
        lines.setdefault(", ".join(others), []).append(run)
    figure = canvas.new_figure(11, 4.4 + 0.22 * (min(len(lines), _MOST_LINES) // 4))
    panels = figure.subplots(1, 3)
    for axes, (name, title, size) in zip(panels, _PANELS, strict=True):
        for number, (label, members) in enumerate(list(lines.items())[:_MOST_LINES]):
            look = {
                "color": canvas.HOST_COLOURS[number % len(canvas.HOST_COLOURS)],
                "linestyle": _LINES[number // len(canvas.HOST_COLOURS) % len(_LINES)],
            }
            _line(axes, members, key, positions, (name, size), canvas.literal(canvas.shorten(label, 46)), look)
            _crosses(axes, members, key, positions, number, look["color"])
        for status, marker in _MARKERS.items():
            if any(run.status == status for run in runs):
                axes.plot([], [], linestyle="", marker=marker, color="#44506a", markersize=8, label=status)
        axes.set_title(title, fontsize="medium")
        known = [value / size for run in runs if (value := run.figures.get(name)) is not None]
        axes.set_ylim(0, 1.08 * max(known, default=0) or 1)
        axes.margins(x=0.08)
        ticks = [positions[value] for value in values]
        axes.set_xticks(ticks, [canvas.literal(canvas.shorten(str(value), 16)) for value in values])
        if sum(len(str(value)) for value in values) > 28:
            axes.tick_params(axis="x", labelrotation=30)
        axes.set_xlabel(canvas.literal(key))
        axes.grid(alpha=0.25)
        if not any(run.figures.get(name) is not None for run in runs):
            axes.text(0.5, 0.5, "unknown", transform=axes.transAxes, ha="center", color="#6b6b6b")
    canvas.legend_below(figure, panels)
    return figure


def _line(
    axes: Axes,
    members: Sequence[GridRun],
    key: str,
    positions: Mapping[Any, float],
    what: tuple[str, float],
    label: str,
    look: Mapping[str, Any],
) -> None:
    name, size = what
    points: list[tuple[float, Spread]] = []
    for value in sorted(dict.fromkeys(_value(run, key) for run in members), key=positions.__getitem__):
        good = [run for run in members if _value(run, key) == value and run.status == SUCCEEDED]
        found = spread(run.figures.get(name) for run in good)
        if found:
            points.append((positions[value], found))
    if not points:
        axes.plot([], [], linewidth=1.6, marker="o", markersize=5, label=label or None, **look)
    else:
        middles = [point.middle / size for _, point in points]
        low = [(point.middle - point.low) / size for _, point in points]
        high = [(point.high - point.middle) / size for _, point in points]
        axes.errorbar(
            [x for x, _ in points], middles, yerr=[low, high], marker="o", markersize=5, capsize=3, linewidth=1.6,
            label=label or None, **look,
        )  # fmt: skip


def _crosses(
    axes: Axes, members: Sequence[GridRun], key: str, positions: Mapping[Any, float], line: int, colour: str
) -> None:
    """A cross of its line's colour for each run without a figure; those of several lines are above each other."""
    for status, marker in _MARKERS.items():
        failed = sorted({positions[_value(run, key)] for run in members if run.status == status})
        if failed:
            axes.plot(
                failed, [0.03 + 0.05 * (line % 6)] * len(failed), transform=axes.get_xaxis_transform(), linestyle="",
                marker=marker, color=colour, markersize=8, zorder=5,
            )  # fmt: skip


def _value(run: GridRun, key: str) -> Any:
    return run.workers if key == "workers" else run.settings.get(key)


def _varies(runs: Sequence[GridRun], key: str) -> bool:
    return len({repr(_value(run, key)) for run in runs}) > 1


def _positions(values: Sequence[Any]) -> dict[Any, float]:
    """Numbers stand where they are, anything else in the order given."""
    if _is_numeric(values):
        return {value: float(value) for value in values}
    return {value: float(number) for number, value in enumerate(values)}


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
