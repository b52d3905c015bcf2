"""One phase in every column of a comparison, on equal axes: CPU % in green, RAM in GB in blue, as in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.compare.comparison import Comparison
from monitor.compare.runs import Column
from monitor.cost.curves import Memory, Rate, memory_curve, rate_curve
from monitor.cost.phase_costs import TOTAL
from monitor.cost.run_files import RunFiles
from monitor.cost.timeline import Span
from monitor.formatting import gigabytes, percent, seconds
from monitor.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Curves:
    """One run's curves within a phase, from its start."""

    length: float
    memory: list[tuple[float, float]]  # seconds, bytes
    cpu: list[tuple[float, float]]  # end of a sample, percent of all cores


def plot_panels(comparison: Comparison, phase: str, path: Path) -> canvas.Picture | None:
    """Draws a phase (or the total) of all columns; None where no sample of any run fell into it."""
    figure = panels_figure(comparison, phase)
    if figure is None:
        return None
    canvas.save(figure, path)
    parts = []
    for number, column in enumerate(comparison.columns):
        row = comparison.row(phase, number)
        if row.wall_seconds:
            peak = gigabytes(row.pss_peak_bytes.middle) if row.pss_peak_bytes else "unknown memory"
            mean = percent(_mean_percent(column, phase))
            parts.append(
                f"{column.label} {seconds(row.wall_seconds.middle)}, CPU {mean} on average, RAM at most {peak}"
            )
    title = "The whole run" if phase == TOTAL else phase
    return canvas.Picture(path, title, f"{title} on equal axes: {'; '.join(parts)}.")


def panels_figure(comparison: Comparison, phase: str) -> Figure | None:
    """The figure: a row a variant, a column a worker count; all panels have the same axes. None without samples."""
    found = {number: _all_curves(column, phase) for number, column in enumerate(comparison.columns)}
    if not any(curves.memory or curves.cpu for several in found.values() for curves in several):
        return None
    variants = list(comparison.variants.values())
    shape = (len(variants), max(map(len, variants)))
    if shape[1] == 1 and shape[0] > 1:  # nothing but variants: side by side as well
        variants = [[number for members in variants for number in members]]
        columns = min(3, len(variants[0]))
        variants = [variants[0][start : start + columns] for start in range(0, len(variants[0]), columns)]
        shape = (len(variants), columns)
    figure = canvas.new_figure(1.1 + 3.9 * shape[1], 0.9 + 2.75 * shape[0])
    grid = figure.subplots(*shape, squeeze=False, sharex=True, sharey=True)
    longest = max(curves.length for several in found.values() for curves in several)
    highest = max(
        (value for several in found.values() for curves in several for _, value in curves.memory), default=0.0
    )
    memories = []
    for row, members in enumerate(variants):
        for order in range(shape[1]):
            cpu = grid[row][order]
            if order >= len(members):
                cpu.set_axis_off()
                continue
            ram = cpu.twinx()
            memories.append(ram)
            _panel(cpu, ram, comparison.columns[members[order]], found[members[order]])
            canvas.percent_axis(cpu, "CPU (%)" if order == 0 else "")
            last = order == len(members) - 1
            canvas.memory_axis(ram, highest, "RAM (GB, PSS)" if last else "")
            if not last:
                ram.tick_params(axis="y", labelright=False)
            below = [members_below for members_below in variants[row + 1 :] if len(members_below) > order]
            cpu.tick_params(axis="x", labelbottom=not below)
            if not below:
                cpu.set_xlabel("seconds of the phase" if phase != TOTAL else "seconds of the run")
    grid[0][0].set_xlim(0, max(longest, 1e-3) * 1.02)
    figure.suptitle(canvas.literal("The whole run" if phase == TOTAL else phase), fontsize="large")
    canvas.legend_below(figure, [grid[0][0], memories[0]])
    return figure


def _panel(cpu: Axes, ram: Axes, column: Column, several: Sequence[_Curves]) -> None:
    """One column: its middle repeat as lines, the others pale behind."""
    for number, curves in enumerate(several):  # the middle one is the last
        alone = number == len(several) - 1
        opacity = 1.0 if alone else 0.25
        if curves.cpu:
            times, values = canvas.thinned([x for x, _ in curves.cpu], [y for _, y in curves.cpu])
            cpu.plot(
                [0.0, *times], [values[0], *values], color=canvas.CPU_COLOUR, linewidth=1.4 if alone else 0.8,
                drawstyle="steps-pre", label="CPU" if alone else None, alpha=opacity,
            )  # fmt: skip
        if curves.memory:
            times, values = canvas.thinned([x for x, _ in curves.memory], [y for _, y in curves.memory], "max")
            shown = [value / canvas.GIGABYTE for value in values]
            marker = "o" if len(times) < 3 else None
            ram.plot(
                times, shown, color=canvas.MEMORY_COLOUR, linewidth=1.9 if alone else 0.9, marker=marker,
                label="RAM" if alone else None, alpha=opacity,
            )  # fmt: skip
        if alone and curves.length:
            # where the shorter of two ends is what one looks for
            cpu.axvline(curves.length, color="#44506a", linewidth=0.9, linestyle=":")
    middle = several[-1]
    title = f"{canvas.shorten(column.label, 44)}: {seconds(middle.length)}"
    if not middle.cpu and not middle.memory:
        cpu.text(0.5, 0.5, "no samples", transform=cpu.transAxes, ha="center", va="center", color="#6b6b6b")
    cpu.set_title(canvas.literal(title), fontsize="medium")
    cpu.grid(alpha=0.25)


def _all_curves(column: Column, phase: str) -> list[_Curves]:
    others = [run for run in column.runs if run is not column.middle]
    return [_curves(run, phase) for run in [*others, column.middle]]


def _curves(run: RunFiles, phase: str) -> _Curves:
    span = _span(run, phase)
    if span is None:
        return _Curves(0.0, [], [])
    length = span.end - span.start
    cores = max(run.timeline.cores, 1)
    known = memory_curve(run.timeline)
    inside: list[Memory] = [memory for memory in known if span.start < memory.seconds <= span.end]
    if inside:
        inside = [*[memory for memory in known if memory.seconds <= span.start][-1:], *inside]  # what the phase found
    memory = [(max(0.0, memory.seconds - span.start), float(memory.pss_bytes)) for memory in inside]
    if inside:
        memory.append((length, memory[-1][1]))
    rates: list[Rate] = [rate for rate in rate_curve(run.timeline) if rate.end > span.start and rate.start < span.end]
    cpu = [(min(length, rate.end - span.start), 100 * rate.busy_cores / cores) for rate in rates]
    return _Curves(length, memory, cpu)


def _span(run: RunFiles, phase: str) -> Span | None:
    """The bracket that is drawn: of several the longest; for the total the whole time line."""
    if phase == TOTAL:
        return Span(TOTAL, 0.0, run.timeline.end, "done", None, 0)
    spans = [span for span in run.timeline.spans if span.name == phase]
    return max(spans, key=lambda span: span.end - span.start, default=None)


def _mean_percent(column: Column, phase: str) -> float | None:
    costs = column.middle.costs
    rows = [*costs.phases, costs.total]
    return next((row.cpu_percent_mean for row in rows if row.phase == phase), None)
