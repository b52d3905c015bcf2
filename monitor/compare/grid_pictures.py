"""The runs of a grid as pictures: wall time, memory and cost against each key that was varied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.compare.comparison import Spread, spread
from monitor.compare.grid import GridRun, value_of
from monitor.compare.runs import short_key
from monitor.formatting import counted
from monitor.plots import canvas
from monitor.records import DOES_NOT_FIT, ENDED_WELL, FAILED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    values = list(dict.fromkeys(value_of(run, key) for run in runs))
    if len(values) < 2:
        return None
    positions = _positions(values)
    if _is_numeric(values):
        values.sort(key=positions.__getitem__)
    lines: dict[str, list[GridRun]] = {}
    for run in runs:
        others = [f"{short_key(name)}={value_of(run, name)}" for name in keys if name != key and _varies(runs, name)]
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
    for value in sorted(dict.fromkeys(value_of(run, key) for run in members), key=positions.__getitem__):
        good = [run for run in members if value_of(run, key) == value and run.status in ENDED_WELL]
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
        failed = sorted({positions[value_of(run, key)] for run in members if run.status == status})
        if failed:
            axes.plot(
                failed, [0.03 + 0.05 * (line % 6)] * len(failed), transform=axes.get_xaxis_transform(), linestyle="",
                marker=marker, color=colour, markersize=8, zorder=5,
            )  # fmt: skip


def _varies(runs: Sequence[GridRun], key: str) -> bool:
    return len({repr(value_of(run, key)) for run in runs}) > 1


def _positions(values: Sequence[Any]) -> dict[Any, float]:
    """Numbers stand where they are, anything else in the order given."""
    if _is_numeric(values):
        return {value: float(value) for value in values}
    return {value: float(number) for number, value in enumerate(values)}


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
