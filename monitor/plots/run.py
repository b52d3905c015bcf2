"""A run in pictures: CPU and RAM with its phases, memory by role, CPU per core, hosts, and single phases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cost.curves import memory_curve, rate_curve
from monitor.cost.phase_costs import PhaseCost
from monitor.cost.timeline import HostSeries, Span, Timeline
from monitor.formatting import counted, gigabytes, percent, seconds
from monitor.plots import canvas
from monitor.plots.canvas import SHADE, literal, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES, _MOST_EDGED = 30, 60
_SIZE, _ANGLE = 9, 38  # points, degrees
_APART_INCHES = 0.28  # between the feet of two slanting names


def shade(axes: Axes, spans: Sequence[Span]) -> None:
    """Bands in turn, darker where a phase lies in another; their edges too where there are not too many."""
    outer = [span for span in spans if span.depth == 0]
    across = axes.get_xaxis_transform()
    for turn, colour in enumerate(SHADE):
        _fill(axes, outer[turn::2], color=colour, transform=across, zorder=0)
    _fill(axes, [span for span in spans if span.depth], color="#5b6b85", alpha=0.10, transform=across, zorder=0.2)
    edges = {edge for span in outer for edge in (span.start, span.end)}
    for edge in edges if len(outer) <= _MOST_EDGED else ():
        axes.axvline(edge, color="#b9c2cf", linewidth=0.6, zorder=2.5, alpha=0.8)


def _fill(axes: Axes, spans: Sequence[Span], **look: Any) -> None:
    if spans:
        axes.broken_barh([(span.start, span.end - span.start) for span in spans], (0, 1), linewidth=0, **look)


def name_above(axes: Axes, spans: Sequence[Span], seconds: float, width_inches: float) -> None:
    """Slanting names above the axes, moved apart where phases are short, each with a line to its phase.

    Of more phases than fit the longest are named, if they are long at all.
    """
    if len(spans) > _MOST_NAMES:
        long = [span for span in spans if span.end - span.start >= 0.01 * seconds]
        spans = sorted(long, key=lambda span: span.start - span.end)[:_MOST_NAMES]
    named = sorted(spans, key=lambda span: (span.start + span.end) / 2)
    middles = [(span.start + span.end) / 2 for span in named]
    scale = max(seconds, 1e-9)
    feet = spread([middle / scale for middle in middles], _APART_INCHES / width_inches)
    across = axes.get_xaxis_transform()
    for span, middle, foot in zip(named, middles, feet, strict=True):
        at = foot * scale
        axes.plot(
            [middle, middle, at], [1.0, 1.02, 1.075],
            transform=across, color="#7a8699", linewidth=0.8, clip_on=False, zorder=3,
        )  # fmt: skip
        axes.text(
            at, 1.085, literal(shorten(span.name)),
            transform=across, rotation=_ANGLE, rotation_mode="anchor", ha="left", va="bottom", fontsize=_SIZE,
            color="#1f2733",
        )  # fmt: skip


def spread(positions: Sequence[float], apart: float) -> list[float]:
    """Ascending positions (0 to 1) moved as little as it takes to lie `apart`, within 0 to 1 where that is possible."""
    groups: list[tuple[float, int]] = []  # first position, members: neighbours that touch
    for position in positions:
        start, count = position, 1
        while groups and groups[-1][0] + groups[-1][1] * apart > start:
            before, members = groups.pop()
            # the middle of the joined group is the mean of where its members want to be
            start = (before * members + (start - members * apart) * count) / (members + count)
            count += members
        groups.append((start, count))
    found = [start + number * apart for start, count in groups for number in range(count)]
    high = 1.0
    for number in range(len(found) - 1, -1, -1):
        found[number] = min(found[number], high)
        high = found[number] - apart
    low = 0.0 if not found or len(found) * apart <= 1 else found[0]
    for number, position in enumerate(found):
        found[number] = max(position, low)
        low = found[number] + apart
    return found


_NEAR = 0.5  # of the limit: from there on it is drawn
_WIDE = 11.0


def plot_run(timeline: Timeline, path: Path) -> canvas.Picture:
    """CPU % (green) and RAM in GB (blue) of the whole run, its phases shaded and named."""
    figure = canvas.new_figure(_WIDE, 5.4)
    cpu = figure.subplots()
    ram = cpu.twinx()
    _bands(cpu, timeline, named=True)
    driver = timeline.driver
    if driver and len(timeline.hosts) == 1:
        known = [point for point in driver.points if point.sample.machine.cpu_percent is not None]
        values = [float(point.sample.machine.cpu_percent or 0) for point in known]
        times, shown = canvas.thinned([(point.start + point.end) / 2 for point in known], values)
        cpu.plot(times, shown, color=canvas.MACHINE_COLOUR, linewidth=1.0, label="CPU of the whole machine")
    rates = rate_curve(timeline)
    busy = [100 * rate.busy_cores / max(timeline.cores, 1) for rate in rates]
    times, shown = canvas.thinned([(rate.start + rate.end) / 2 for rate in rates], busy)
    cpu.plot(times, shown, color=canvas.CPU_COLOUR, linewidth=1.4, label="CPU of the run")
    curve = memory_curve(timeline)
    peak = max(curve, key=lambda memory: memory.pss_bytes)
    times, shown = canvas.thinned([m.seconds for m in curve], [m.pss_bytes / 1e9 for m in curve], "max")
    ram.plot(times, shown, color=canvas.MEMORY_COLOUR, linewidth=1.9, label="RAM")
    canvas.percent_axis(cpu, f"CPU (% of {canvas.cores_text(timeline.cores)})")
    canvas.memory_axis(ram, peak.pss_bytes)
    _time_axis(cpu, timeline)
    canvas.legend_below(figure, [cpu, ram])
    canvas.save(figure, path)
    spent = sum(point.sample.tree().cpu_seconds for host in timeline.hosts for point in host.points)
    mean = spent / max(timeline.end, 1e-9) / max(timeline.cores, 1)
    text = (
        f"CPU and RAM over {seconds(timeline.end)} with {counted(len(timeline.spans), 'phase')}: CPU "
        f"{percent(100 * mean)} on average; RAM at most {gigabytes(peak.pss_bytes)} "
        f"at {seconds(peak.seconds)}."
    )
    return canvas.Picture(path, "The whole run", text)


def plot_memory(timeline: Timeline, path: Path) -> canvas.Picture:
    """PSS stacked by role; beside it what summed RSS says, and the limit where memory came near to it."""
    curve = memory_curve(timeline)
    figure = canvas.new_figure(_WIDE, 5.4)
    axes = figure.subplots()
    _bands(axes, timeline, named=True)
    times = [memory.seconds for memory in curve]
    roles = [role for role in canvas.ROLE_COLOURS if any(memory.role_pss_bytes[role] for memory in curve)]
    thin = {role: canvas.thinned(times, [m.role_pss_bytes[role] / 1e9 for m in curve]) for role in roles}
    if roles:
        axes.stackplot(
            thin[roles[0]][0], *(thin[role][1] for role in roles), colors=[canvas.ROLE_COLOURS[role] for role in roles],
            labels=[canvas.ROLE_NAMES[role] for role in roles], linewidth=0, alpha=0.92,
        )  # fmt: skip
    rss = canvas.thinned(times, [memory.rss_bytes / 1e9 for memory in curve])
    axes.plot(
        *rss,
        color=canvas.RSS_COLOUR,
        linewidth=1.2,
        linestyle="--",
        label="summed RSS",
    )
    peak = max(memory.pss_bytes for memory in curve)
    highest = float(max(peak, max(memory.rss_bytes for memory in curve)))
    limit, name = _limit(timeline)
    if limit and peak >= _NEAR * limit:
        axes.axhline(limit / 1e9, color=canvas.LIMIT_COLOUR, linewidth=1.5, label=f"{name}: {gigabytes(limit)}")
        highest = max(highest, limit)
    canvas.memory_axis(axes, highest, "memory (GB, PSS by role)", "#1f2733")
    _time_axis(axes, timeline)
    canvas.legend_below(figure, [axes], 3)
    canvas.save(figure, path)
    parts = [f"{canvas.ROLE_NAMES[r]} {gigabytes(max(memory.role_pss_bytes[r] for memory in curve))}" for r in roles]
    text = f"Memory over time by role; highest PSS of each: {', '.join(parts)}; {name}: {gigabytes(limit)}."
    return canvas.Picture(path, "Memory by role", text)


def plot_cores(timeline: Timeline, host: HostSeries, path: Path) -> canvas.Picture | None:
    """How busy every core of a host was, a stripe a core; None where no sample says so."""
    known = [point for point in host.points if point.sample.machine.core_percent]
    if not known:
        return None
    cores = len(known[0].sample.machine.core_percent or ())
    known = [point for point in known if len(point.sample.machine.core_percent or ()) == cores]
    figure = canvas.new_figure(_WIDE, 2.3 + min(0.32 * cores, 6.5))
    axes = figure.subplots()
    columns = [canvas.thinned([p.end for p in known], [_core(p.sample, core) for p in known]) for core in range(cores)]
    ends = list(columns[0][0])
    picture = axes.pcolormesh(
        [known[0].start, *ends], range(cores + 1), [list(values) for _, values in columns],
        cmap="Greens", vmin=0, vmax=100, rasterized=True,
    )  # fmt: skip
    for core in range(1, cores if cores <= 32 else 0):
        axes.axhline(core, color="white", linewidth=2)
    for span in timeline.spans:
        if span.depth == 0:
            axes.axvline(span.start, color="#44506a", linewidth=0.7, linestyle=":")
    every = max(1, cores // 16)
    axes.set_yticks([core + 0.5 for core in range(0, cores, every)], [str(core) for core in range(0, cores, every)])
    axes.set_ylabel("core")
    figure.colorbar(picture, ax=axes, label="busy (%)", ticks=[0, 50, 100], pad=0.01, aspect=12)
    _time_axis(axes, timeline)
    name_above(axes, timeline.spans, timeline.end, _WIDE - 2)
    canvas.save(figure, path)
    where = f" on {host.host}" if len(timeline.hosts) > 1 else ""
    means = [sum(_core(p.sample, core) for p in known) / len(known) for core in range(cores)]
    text = (
        f"How busy each of {counted(cores, 'core')}{where} was, by all processes of the machine: between "
        f"{percent(min(means))} and {percent(max(means))} on average."
    )
    return canvas.Picture(path, f"CPU per core{where}", text)


def plot_hosts(timeline: Timeline, path: Path) -> canvas.Picture | None:
    """CPU and memory of the run on each host; None where there is but one."""
    if len(timeline.hosts) < 2:
        return None
    figure = canvas.new_figure(_WIDE, 6.2)
    cpu, ram = figure.subplots(2, 1, sharex=True)
    for number, host in enumerate(timeline.hosts):
        look = {
            "color": canvas.HOST_COLOURS[number % len(canvas.HOST_COLOURS)],
            "linestyle": ("-", "--", ":")[number // len(canvas.HOST_COLOURS) % 3],
            "label": canvas.literal(f"{canvas.shorten(host.host, 24)} ({host.role})"),
            "linewidth": 1.4,
        }
        counted_points = [point for point in host.points if point.end > point.start]
        busy = [100 * p.sample.tree().cpu_seconds / (p.end - p.start) / max(host.cores, 1) for p in counted_points]
        cpu.plot(*canvas.thinned([(p.start + p.end) / 2 for p in counted_points], busy), **look)
        pss = [point.sample.tree().pss_bytes / 1e9 for point in host.points]
        ram.plot(*canvas.thinned([point.end for point in host.points], pss, "max"), **look)
    cpu.set(ylabel="CPU (% of the host)", ylim=(0, 104))
    ram.set(ylabel="RAM (GB, PSS)")
    ram.set_ylim(bottom=0)
    for axes in (cpu, ram):
        _bands(axes, timeline, named=axes is cpu)
        axes.grid(alpha=0.25)
    _time_axis(ram, timeline)
    canvas.legend_below(figure, [cpu], 3)
    canvas.save(figure, path)
    text = f"CPU and RAM of the run on each of {counted(len(timeline.hosts), 'host')}, on the driver's time."
    return canvas.Picture(path, "Hosts", text)


def _bands(axes: Axes, timeline: Timeline, named: bool) -> None:
    shade(axes, timeline.spans)
    if named:
        name_above(axes, timeline.spans, timeline.end, _WIDE - 1.5)


def _time_axis(axes: Axes, timeline: Timeline) -> None:
    axes.set_xlim(0, max(timeline.end, 1e-3))
    axes.set_xlabel("seconds of the run")


def _core(sample: Any, core: int) -> float:
    return float(sample.machine.core_percent[core])


def _limit(timeline: Timeline) -> tuple[float, str]:
    """The memory that there is on all hosts, and what sets it."""
    total, name = 0.0, "memory of the machine" if len(timeline.hosts) == 1 else "memory of all hosts"
    for host in timeline.hosts:
        limits = [p.sample.cgroup.limit_bytes for p in host.points if p.sample.cgroup and p.sample.cgroup.limit_bytes]
        least = min([host.memory_total_bytes, *limits])
        if least < host.memory_total_bytes:
            name = "limit of the cgroup" if len(timeline.hosts) == 1 else "limits of all hosts"
        total += least
    return total, name


_STEPS = 300  # more make a green area of a busy curve


def plot_phase(timeline: Timeline, row: PhaseCost, path: Path) -> canvas.Picture | None:
    """Draws a phase, of several brackets the longest; None where no sample fell into it."""
    brackets = [span for span in timeline.spans if span.name == row.phase]
    span = max(brackets, key=lambda bracket: bracket.end - bracket.start)
    length = span.end - span.start
    inside = [memory for memory in memory_curve(timeline) if span.start < memory.seconds <= span.end]
    if not inside:
        return None
    figure = canvas.new_figure(7, 3.9)
    cpu = figure.subplots()
    ram = cpu.twinx()
    _draw_cpu(cpu, timeline, span)
    # the neighbours too: curves reach both edges
    curve = memory_curve(timeline)
    near = [memory for memory in curve if span.start - 60 <= memory.seconds <= span.end + 60]
    shown = canvas.thinned(
        [memory.seconds - span.start for memory in near], [memory.pss_bytes / 1e9 for memory in near], "max"
    )
    marker = "o" if len(inside) <= 12 else None
    ram.plot(*shown, color=canvas.MEMORY_COLOUR, linewidth=1.9, label="RAM", marker=marker, markersize=4)
    canvas.percent_axis(cpu, f"CPU (% of {canvas.cores_text(timeline.cores)})")
    before = [memory for memory in near if memory.seconds <= span.start][-1:]
    canvas.memory_axis(ram, max(memory.pss_bytes for memory in (*before, *inside)))
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


def _draw_cpu(axes: Axes, timeline: Timeline, span: Span) -> None:
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
