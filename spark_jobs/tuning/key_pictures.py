"""Pictures of a study key by key: all trials side by side, and the value against each key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.plots import Picture, canvas
from recsys.config.search import Choices, Range
from recsys.tuning.results import TrialRow
from spark_jobs.tuning.axes import (
    BEST_COLOUR,
    HEIGHTS,
    MOST_KEYS,
    PALE_COLOUR,
    beyond,
    limits,
    marks_without_value,
    short_name,
    shown_value,
    value_axis,
    valued,
    whole_numbers,
)
from spark_jobs.tuning.study_files import Study, place, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = 0.19  # of an axis: labels that are nearer hide each other
_MOST_LINES = 200  # of trials that are not among the best: more cannot be told apart


def plot_parallel(study: Study, path: Path) -> Picture | None:
    """A line a trial over an axis for each key, the best tenth in green; None without a value, or of one key."""
    keys = study.keys[:MOST_KEYS]
    rows = sorted((row for row in valued(study)), key=lambda row: row.value or 0.0, reverse=not study.maximised)
    if not rows or len(keys) < 2:
        return None
    best = {row.number for row in study.ranked[: max(1, len(study.comparable) // 10)]}
    others = [row for row in rows if row.number not in best]
    every = -(-len(others) // _MOST_LINES)
    drawn = [*others[:: max(every, 1)], *[row for row in rows if row.number in best]]
    figure = canvas.new_figure(min(max(6.5, 2.2 + 1.35 * len(keys)), 14), 5)
    axes = figure.subplots()
    bottom, top = limits(study)
    faint = max(0.2, min(0.6, 30 / len(drawn)))
    for row in drawn:
        value = (shown_value(study, row) - bottom) / (top - bottom)
        heights = [_place(study, key, row) for key in keys] + [value]
        known = [(x, y) for x, y in enumerate(heights) if y is not None]
        chosen = row.number in best
        axes.plot(
            [x for x, _ in known], [y for _, y in known], color=BEST_COLOUR if chosen else PALE_COLOUR,
            zorder=3 if chosen else 2, linewidth=1.5 if chosen else 0.8, alpha=0.85 if chosen else faint,
            marker="o" if len(known) == 1 else None,
        )  # fmt: skip
    for x, key in enumerate(keys):
        axes.axvline(x, color="#44506a", linewidth=0.9, zorder=4)
        _labels(axes, x, ticks(study.space[key]))
    axes.axvline(len(keys), color="#44506a", linewidth=1.5, zorder=4)
    _labels(axes, len(keys), [(part, value_text(rounded(bottom + part * (top - bottom)))) for part in (0, 0.5, 1)])
    names = [canvas.literal(_broken(key)) for key in keys]
    axes.set_xticks(range(len(keys) + 1), [*names, canvas.literal(_broken(study.metric))], fontsize="small")
    axes.set(ylim=(-0.04, 1.04), xlim=(-0.35, len(keys) + 0.6))
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    canvas.save(figure, path)
    text = (
        f"Each line is a trial: its settings, and its value on the right. Green: the best {len(best):,} of "
        f"{len(study.comparable):,}. Axes are as the search has them, those with 'log' in the table logarithmic."
    )
    text += f" Of the others every {every}th is drawn." if every > 1 else ""
    return Picture(path, "All trials side by side", text + beyond(study))


def plot_slices(study: Study, path: Path) -> Picture | None:
    """A panel for each key: the value against the setting, the colour from the first trial to the last."""
    keys = study.keys[:MOST_KEYS]
    rows, without = valued(study), [row for row in study.trials if row.value is None]
    if not keys or not study.trials:
        return None
    wide = min(4, len(keys))
    high = -(-len(keys) // wide)
    figure = canvas.new_figure(max(5.5, 2.9 * wide + 0.6), 0.7 + 2.6 * high)
    grid = figure.subplots(high, wide, squeeze=False, sharey=True)
    panels = [panel for row in grid for panel in row]
    drawn: Any = None
    numbers = [row.number for row in study.trials]
    for panel, key in zip(panels, keys, strict=False):
        known = [(at, row) for row in rows if (at := _place(study, key, row)) is not None]
        drawn = panel.scatter(
            [at for at, _ in known], [shown_value(study, row) for _, row in known], 22 if len(rows) <= 100 else 9,
            c=[row.number for _, row in known], cmap="viridis", vmin=min(numbers), vmax=max(max(numbers), 1),
            alpha=0.85,
        )  # fmt: skip
        winner = study.winner
        if winner and winner.value is not None and (at := _place(study, key, winner)) is not None:
            panel.scatter([at], [winner.value], 170, marker="*", color=BEST_COLOUR, edgecolors="white", zorder=5)
        for state, offset in HEIGHTS.items():
            places = [_place(study, key, row) for row in without if row.state == state]
            marks_without_value(panel, [at for at in places if at is not None], state, offset, 20)
        shown = ticks(study.space[key])
        panel.set_xticks([at for at, _ in shown], [canvas.literal(text) for _, text in shown], fontsize="small")
        if sum(len(text) for _, text in shown) > 26:
            panel.tick_params(axis="x", labelrotation=25)
        panel.set(xlim=(-0.04, 1.04), xlabel=canvas.literal(short_name(key)))
        panel.grid(alpha=0.25)
    for panel in panels[len(keys) :]:
        panel.set_axis_off()
    for row in grid:
        value_axis(row[0], study)
    if rows:
        figure.colorbar(drawn, ax=panels, label="trial", pad=0.01, aspect=25, ticks=whole_numbers())
    canvas.legend_below(figure, panels)
    canvas.save(figure, path)
    text = f"{study.metric} against each key. The star is the best trial, later trials are lighter."
    if not rows:
        text = f"Where trials failed, key by key: none has a {study.metric}."
    return Picture(path, "Key by key", text + beyond(study))


def ticks(entry: Range | Choices) -> list[tuple[float, str]]:
    """Where an axis from 0 to 1 is labelled, and how: a range at its ends and at round numbers between them."""
    if isinstance(entry, Choices):
        values = [entry.value(label) for label in entry.labels]
        return [((at + 0.5) / len(values), canvas.shorten(value_text(value), 16)) for at, value in enumerate(values)]
    shown = [(0.0, entry.ends[0]), (1.0, entry.ends[1])]
    for value in _round_numbers(entry):
        at = place(entry, entry.value(value))
        if at is not None and all(abs(at - other) >= _APART for other, _ in shown):
            shown.append((at, entry.value(value)))
    return [(at, value_text(value)) for at, value in sorted(shown)]


def _round_numbers(entry: Range) -> list[float]:
    """Numbers with few digits in the range, those first that are to be shown most."""
    if entry.scale == "reverse_log":
        return [float(f"{entry.at(at):.2g}") for at in (0.5, 0.25, 0.75)]
    if entry.scale == "log":
        low, high = (math.floor(math.log10(end)) for end in (entry.low, entry.high))
        return [digit * 10.0**power for digit in (1, 3, 2, 5) for power in range(low, high + 1)]
    most = (entry.high - entry.low) / 2 * (1 + 1e-9)  # of 0.8 to 1 the half is less than 0.1, by rounding
    power = 10.0 ** math.floor(math.log10(most))
    step = next(step for digit in (5, 2.5, 2, 1) if (step := digit * power) <= most)
    return [step * number for number in range(math.ceil(entry.low / step), math.floor(entry.high / step) + 1)]


def _labels(axes: Axes, x: float, shown: Sequence[tuple[float, str]]) -> None:
    for at, text in shown:
        axes.annotate(
            canvas.literal(text), (x, at), xytext=(4, 0), textcoords="offset points", va="center", fontsize="small",
            zorder=6, bbox={"color": "white", "pad": 0.6, "alpha": 0.8},
        )  # fmt: skip


def _place(study: Study, key: str, row: TrialRow) -> float | None:
    value = row.parameters.get(key)
    return None if value is None else place(study.space[key], value)


def rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _broken(key: str) -> str:
    """A key that fits below an axis: in lines."""
    return short_name(key).replace("_", "_\n").replace(".", ".\n")
