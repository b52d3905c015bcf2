"""Pictures of a grid: time, memory and cost against every varied key, a line for each setting of the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.compare.grid import SUCCEEDED, GridRun
from monitor.compare.runs import short_key
from monitor.compare.speedup import Spread, spread
from monitor.plots import canvas
from monitor.report.figures import counted

_PANELS = (
    ("wall_seconds", "wall time (s)", 1.0),
    ("pss_peak_bytes", "peak memory (GB, PSS)", 1e9),
    ("cost", "cost", 1.0),
)
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
        failed = sum(run.status != SUCCEEDED for run in runs)
        text = f"Wall time, peak memory and cost of {counted(len(runs), 'run')} against {key}"
        text += f"; {counted(failed, 'run')} failed." if failed else "."
        pictures.append(canvas.Picture(path, f"Against {key}", text))
    return pictures


def grid_figure(runs: Sequence[GridRun], keys: Sequence[str], key: str) -> Any:
    """Three panels over the values of `key`; a cross at the bottom is a run that failed. None of one value."""
    values = list(dict.fromkeys(_value(run, key) for run in runs))
    if len(values) < 2:
        return None
    places = _places(values)
    if _is_numeric(values):
        values.sort(key=places.__getitem__)
    lines: dict[str, list[GridRun]] = {}
    for run in runs:
        others = [f"{short_key(one)}={_value(run, one)}" for one in keys if one != key and _varies(runs, one)]
        lines.setdefault(", ".join(others), []).append(run)
    figure = canvas.new_figure(11, 4.4 + 0.22 * (min(len(lines), _MOST_LINES) // 4))
    panels = figure.subplots(1, 3)
    for axes, (name, title, size) in zip(panels, _PANELS, strict=True):
        for number, (label, members) in enumerate(list(lines.items())[:_MOST_LINES]):
            look = {
                "color": canvas.HOST_COLOURS[number % len(canvas.HOST_COLOURS)],
                "linestyle": _LINES[number // len(canvas.HOST_COLOURS) % len(_LINES)],
            }
            _line(axes, members, key, places, (name, size), canvas.literal(canvas.shorten(label, 46)), look)
        _crosses(axes, runs, key, places)
        axes.set_title(title, fontsize="medium")
        known = [value / size for run in runs if (value := run.figures.get(name)) is not None]
        axes.set_ylim(0, 1.08 * max(known, default=0) or 1)
        axes.margins(x=0.08)
        ticks = [places[value] for value in values]
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
    axes: Any,
    members: Sequence[GridRun],
    key: str,
    places: Mapping[Any, float],
    what: tuple[str, float],
    label: str,
    look: Mapping[str, Any],
) -> None:
    name, size = what
    points: list[tuple[float, Spread]] = []
    for value in sorted(dict.fromkeys(_value(run, key) for run in members), key=places.__getitem__):
        good = [run for run in members if _value(run, key) == value and run.status == SUCCEEDED]
        found = spread(run.figures.get(name) for run in good)
        if found:
            points.append((places[value], found))
    if points:
        middles = [one.middle / size for _, one in points]
        low = [(one.middle - one.low) / size for _, one in points]
        high = [(one.high - one.middle) / size for _, one in points]
        axes.errorbar(
            [x for x, _ in points], middles, yerr=[low, high], marker="o", markersize=5, capsize=3, linewidth=1.6,
            label=label or None, **look,
        )  # fmt: skip


def _crosses(axes: Any, runs: Sequence[GridRun], key: str, places: Mapping[Any, float]) -> None:
    failed = sorted({places[_value(run, key)] for run in runs if run.status != SUCCEEDED})
    if failed:
        axes.plot(
            failed, [0.03] * len(failed), transform=axes.get_xaxis_transform(), linestyle="", marker="x",
            color=canvas.LIMIT_COLOUR, markersize=9, markeredgewidth=2, label="failed", zorder=5,
        )  # fmt: skip


def _value(run: GridRun, key: str) -> Any:
    return run.workers if key == "workers" else run.settings.get(key)


def _varies(runs: Sequence[GridRun], key: str) -> bool:
    return len({repr(_value(run, key)) for run in runs}) > 1


def _places(values: Sequence[Any]) -> dict[Any, float]:
    """Numbers stand where they are, anything else in the order given."""
    if _is_numeric(values):
        return {value: float(value) for value in values}
    return {value: float(number) for number, value in enumerate(values)}


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
