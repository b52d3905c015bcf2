"""Pictures of a comparison beside the panels: wall times and speed-up by phase, scaling, and loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.compare.comparison import Comparison, Row, column_name, machine_speedup
from monitor.cost.phase_costs import TOTAL
from monitor.formatting import listed, seconds
from monitor.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_speedups(comparison: Comparison, variant: str, path: Path) -> canvas.Picture | None:
    """Wall time by phase in every column of a variant, with least and most, and the speed-up; None of one column."""
    columns = comparison.variants[variant]
    phases = [phase for phase in (*comparison.phases, TOTAL) if comparison.row(phase, columns[0]).wall_seconds]
    if len(columns) < 2 or not phases:
        return None
    figure = canvas.new_figure(10.5, 1.4 + (0.26 + 0.17 * len(columns)) * len(phases))
    times, gains = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    thick = 0.8 / len(columns)
    for order, number in enumerate(columns):
        colour = canvas.HOST_COLOURS[order % len(canvas.HOST_COLOURS)]
        rows = [comparison.row(phase, number) for phase in phases]
        at = [index + (order - (len(columns) - 1) / 2) * thick for index in range(len(phases))]
        _bars(times, at, rows, thick, colour, f"{canvas.literal(column_name(comparison, number))}")
        if order:
            known = [(y, row) for y, row in zip(at, rows, strict=True) if row.speedup is not None]
            gains.barh([y for y, _ in known], [row.speedup for _, row in known], thick * 0.9, color=colour)
            for y, row in known:
                gains.annotate(
                    f"{row.speedup:.2f}", (row.speedup, y), xytext=(3, 0), textcoords="offset points",
                    va="center", fontsize="small", bbox={"color": "white", "pad": 0.8, "alpha": 0.85},
                )  # fmt: skip
    times.set_yticks(range(len(phases)), [canvas.literal(canvas.shorten(phase, 30)) for phase in phases])
    times.set_ylim(len(phases) - 0.45, -0.55)
    times.set(xlabel="wall time (s)")
    times.grid(axis="x", alpha=0.25)
    times.set_xlim(0, max(_high(comparison.row(phase, number)) for phase in phases for number in columns) * 1.13)
    _limits(gains, comparison, columns, phases)
    title = f"Wall time and speed-up{': ' + variant if variant else ''}"
    figure.suptitle(canvas.literal(title), fontsize="large")
    canvas.legend_below(figure, [times, gains])
    canvas.save(figure, path)
    total = [comparison.row(TOTAL, number) for number in columns]
    parts = [
        f"{comparison.columns[row.column].label} {seconds(row.wall_seconds.middle)}"
        + (f" ({row.speedup:.2f} times as fast)" if row.speedup else "")
        for row in total
        if row.wall_seconds
    ]
    return canvas.Picture(path, title, f"{title}, bars by phase; in all {listed(parts, 12)}.")


def _bars(axes: Axes, at: Sequence[float], rows: Sequence[Row], thick: float, colour: str, label: str) -> None:
    spreads = [row.wall_seconds for row in rows]
    middles = [walls.middle if walls else 0.0 for walls in spreads]
    axes.barh(at, middles, thick * 0.9, color=colour, label=label)
    for y, walls in zip(at, spreads, strict=True):
        if walls is None:
            axes.annotate("–", (0, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize="small")
            continue
        if walls.high > walls.low:
            axes.plot([walls.low, walls.high], [y, y], color="#1f2733", linewidth=1.2, marker="|", markersize=4)
        axes.annotate(
            f"{walls.middle:,.{2 if walls.middle < 10 else 1}f}", (walls.high, y), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize="small",
        )  # fmt: skip


def _limits(axes: Axes, comparison: Comparison, columns: Sequence[int], phases: Sequence[str]) -> None:
    """Lines at no gain and at what the machine gives; as many times as workers are beyond it where cores are few."""
    found = [comparison.row(phase, number) for phase in phases for number in columns[1:]]
    highest = max([1.0, *(row.speedup or 0.0 for row in found)])
    axes.axvline(1, color="#6b6b6b", linewidth=1)
    most, base = comparison.columns[columns[-1]].workers, comparison.columns[columns[0]].workers
    machine = machine_speedup(comparison.capability, most, base) if most and base else None
    if machine:
        axes.axvline(
            machine, color=canvas.LIMIT_COLOUR, linewidth=1.3, linestyle="--",
            label=f"the machine at {most}W: {machine:.2f}",
        )  # fmt: skip
        highest = max(highest, machine)
    axes.set(xlabel=f"speed-up over {canvas.literal(column_name(comparison, columns[0]))}", xlim=(0, highest * 1.22))
    axes.grid(axis="x", alpha=0.25)


def plot_scaling(comparison: Comparison, path: Path) -> canvas.Picture | None:
    """Speed-up of the whole run over the number of workers; None with fewer than three counts of workers."""
    variants = {name: columns for name, columns in comparison.variants.items() if len(columns) > 2}
    if not variants:
        return None
    import numpy as np

    figure = canvas.new_figure(7, 4.3)
    axes = figure.subplots()
    counts: set[int] = set()
    for order, (name, columns) in enumerate(variants.items()):
        rows = [comparison.row(TOTAL, number) for number in columns]
        pairs = [(comparison.columns[row.column].workers or 0, row) for row in rows if row.wall_seconds]
        counts |= {workers for workers, _ in pairs}
        gains = [row.speedup or 1.0 for _, row in pairs]
        low = [gain - (row.speedup_low or gain) for gain, (_, row) in zip(gains, pairs, strict=True)]
        high = [(row.speedup_high or gain) - gain for gain, (_, row) in zip(gains, pairs, strict=True)]
        axes.errorbar(
            [workers for workers, _ in pairs], gains, yerr=[low, high], marker="o", capsize=3,
            color=canvas.HOST_COLOURS[order % len(canvas.HOST_COLOURS)], label=canvas.literal(name or "the whole run"),
        )  # fmt: skip
    top: float = max(gain for line in axes.lines for gain in np.asarray(line.get_ydata()))
    ordered = sorted(counts)
    machine = [(count, machine_speedup(comparison.capability, count, ordered[0])) for count in ordered]
    known = [(count, value) for count, value in machine if value]
    if known:
        axes.plot(*zip(*known, strict=True), color=canvas.LIMIT_COLOUR, linestyle="--", label="what the machine gives")
        top = max(top, *(value for _, value in known))
    axes.plot(
        ordered, [count / ordered[0] for count in ordered], color="#9a9a9a", linestyle=":", label="as many as workers"
    )
    axes.set(xlabel="workers", ylabel=f"speed-up over {ordered[0]}W", ylim=(0, top * 1.25))
    axes.set_xticks(ordered)
    axes.grid(alpha=0.25)
    canvas.legend_below(figure, [axes], 3)
    canvas.save(figure, path)
    return canvas.Picture(
        path, "Scaling", f"Speed-up of the whole run at {listed([f'{count}W' for count in ordered], 12)}."
    )


def _high(row: Row) -> float:
    return row.wall_seconds.high if row.wall_seconds else 0.0
