"""One phase in the manner of the paper: CPU % in green and RAM in GB in blue over seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.plots import canvas
from monitor.report.cost import PhaseCost
from monitor.report.curves import memory_curve, rate_curve
from monitor.report.figures import gigabytes, percent, seconds
from monitor.report.timeline import Span, Timeline

_STEPS = 300  # more make a green area of a busy curve


def plot_phase(timeline: Timeline, row: PhaseCost, path: Path) -> canvas.Picture | None:
    """Draws a phase, of several brackets the longest; None where no sample fell into it."""
    brackets = [span for span in timeline.spans if span.name == row.phase]
    span = max(brackets, key=lambda one: one.end - one.start)
    length = span.end - span.start
    inside = [one for one in memory_curve(timeline) if span.start < one.seconds <= span.end]
    if not inside:
        return None
    figure = canvas.new_figure(7, 3.9)
    cpu = figure.subplots()
    ram = cpu.twinx()
    _draw_cpu(cpu, timeline, span)
    # the neighbours too: curves reach both edges
    curve = memory_curve(timeline)
    near = [one for one in curve if span.start - 60 <= one.seconds <= span.end + 60]
    shown = canvas.thinned([one.seconds - span.start for one in near], [one.pss_bytes / 1e9 for one in near], "max")
    marker = "o" if len(inside) <= 12 else None
    ram.plot(*shown, color=canvas.MEMORY_COLOUR, linewidth=1.9, label="RAM", marker=marker, markersize=4)
    canvas.percent_axis(cpu, f"CPU (% of {canvas.cores_text(timeline.cores)})")
    before = [one for one in near if one.seconds <= span.start][-1:]
    canvas.memory_axis(ram, max(one.pss_bytes for one in (*before, *inside)))
    cpu.set_xlim(0, max(length, 1e-3))
    cpu.set_xlabel("seconds of the phase")
    cpu.grid(alpha=0.25)
    title = f"{canvas.shorten(row.phase, 44)}: {seconds(length)}"
    if row.times > 1:
        title = f"{canvas.shorten(row.phase, 30)}: the longest of {row.times}, {seconds(length)}"
    if span.status != "done":
        title += f" ({'killed here' if span.status == 'unfinished' else span.status})"
    cpu.set_title(canvas.literal(title))
    canvas.legend_below(figure, [cpu, ram])
    canvas.save(figure, path)
    text = (
        f"{title}. CPU {percent(row.cpu_percent_mean)} on average and {percent(row.cpu_percent_peak)} at most; "
        f"RAM from {gigabytes(row.pss_start_bytes)} to {gigabytes(row.pss_peak_bytes)} at most."
    )
    return canvas.Picture(path, title, text)


def _draw_cpu(axes: Any, timeline: Timeline, span: Span) -> None:
    """The run's CPU as steps, each as long as its sample, and on a single host the machine's behind it."""
    rates = [rate for rate in rate_curve(timeline) if rate.end > span.start and rate.start < span.end]
    steps = [(rate.start, rate.end, 100 * rate.busy_cores / max(timeline.cores, 1)) for rate in rates]
    points = timeline.hosts[0].points if len(timeline.hosts) == 1 else ()
    machine = [
        (point.start, point.end, point.sample.machine.cpu_percent)
        for point in points
        if point.sample.machine.cpu_percent is not None and point.end > span.start and point.start < span.end
    ]
    for values, colour, width, label in (
        (machine, canvas.MACHINE_COLOUR, 1.1, "CPU of the whole machine"),
        (steps, canvas.CPU_COLOUR, 1.7, "CPU of the run"),
    ):
        if values:
            ends, heights = canvas.thinned([v[1] - span.start for v in values], [v[2] for v in values], most=_STEPS)
            axes.plot(
                [values[0][0] - span.start, *ends], [heights[0], *heights],
                color=colour, linewidth=width, label=label, drawstyle="steps-pre",
            )  # fmt: skip
