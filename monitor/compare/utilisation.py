"""What every run of a comparison used over time, in one picture: CPU above memory, by role, all on equal axes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.compare.comparison import Comparison
from monitor.compare.fields import ComparisonFields
from monitor.compare.notes import MOST_PANELS
from monitor.compare.runs import Column
from monitor.cost.curves import Memory, memory_curve
from monitor.cost.timeline import Timeline
from monitor.formatting import counted, seconds
from monitor.plots import canvas
from monitor.records import TREE_ROLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STACKED = ("jvm", "driver", "worker", "other")  # from below
_BINS = 240
_VISIBLE_FRACTION = 0.01
_LIMIT_SHOWN = 1.4  # times the highest memory: a limit far above it would make all memory look small
_MOST_BESIDE = 4


def plot_utilisation(comparison: Comparison, path: Path, fields: ComparisonFields) -> canvas.Picture | None:
    """Draws each column's middle run: busy cores above, memory below, stacked by role.

    None without samples, and of more runs than fit a picture.
    """
    shown = [column for column in comparison.columns if column.middle.timeline.hosts]
    if not shown or len(comparison.columns) > MOST_PANELS:
        return None
    rows = _rows(comparison, shown)
    beside = max(map(len, rows))
    figure = canvas.new_figure(max(7.0, 1.0 + 3.4 * beside), 0.9 + 3.3 * len(rows))
    grid = figure.subplots(2 * len(rows), beside, squeeze=False, sharex=True, height_ratios=[1, 1] * len(rows))
    longest = max(column.middle.timeline.end for column in shown)
    most_cores = max(_most_cores(column, fields) for column in shown)
    most_gigabytes = _most_gigabytes(shown, fields)
    for number, members in enumerate(rows):
        for order in range(beside):
            cpu, ram = grid[2 * number][order], grid[2 * number + 1][order]
            if order >= len(members):
                cpu.set_axis_off()
                ram.set_axis_off()
                continue
            _draw(cpu, ram, members[order], fields)
            cpu.set_ylim(0, 1.08 * most_cores)
            ram.set_ylim(0, 1.12 * most_gigabytes)
            if order == 0:
                cpu.set_ylabel("busy cores")
                ram.set_ylabel("RAM (GB, PSS)")
            else:
                cpu.tick_params(labelleft=False)
                ram.tick_params(labelleft=False)
            below = any(len(later) > order for later in rows[number + 1 :])
            ram.tick_params(labelbottom=True)
            if not below:
                ram.set_xlabel("seconds of the run")
    grid[0][0].set_xlim(0, max(longest, 1e-3) * 1.02)
    figure.suptitle("Utilisation of all processes over time", fontsize="large")
    canvas.legend_below(figure, [axes for row in grid for axes in row], 6)
    canvas.save(figure, path)
    text = f"Busy cores and memory of {counted(len(shown), 'run')} over time, stacked by what the processes are"
    return canvas.Picture(path, "Utilisation", f"{text}, on equal axes. Grey lines are the starts of phases.")


def _rows(comparison: Comparison, shown: Sequence[Column]) -> list[list[Column]]:
    """The worker counts of a variant beside each other, and as many variants beside each other as fit."""
    variants = [[comparison.columns[number] for number in members] for members in comparison.variants.values()]
    variants = [members for every in variants if (members := [column for column in every if column in shown])]
    together = max(1, _MOST_BESIDE // max(map(len, variants)))
    lines = -(-len(variants) // together)
    together = -(-len(variants) // lines)  # 5 as 3 and 2, not as 4 and 1
    groups = [variants[start : start + together] for start in range(0, len(variants), together)]
    joined = [[column for members in group for column in members] for group in groups]
    return [
        members[start : start + _MOST_BESIDE]
        for members in joined
        for start in range(0, len(members), _MOST_BESIDE)
    ]  # fmt: skip


def _draw(cpu: Axes, ram: Axes, column: Column, fields: ComparisonFields) -> None:
    timeline = column.middle.timeline
    edges = [timeline.end * number / _BINS for number in range(_BINS + 1)]
    _stack(cpu, edges, busy_cores(timeline, edges))
    memory = _highest(memory_curve(timeline), edges)
    _stack(ram, edges, {role: [one.get(role, 0) / canvas.GIGABYTE for one in memory] for role in _STACKED})
    limit, allowed = (column.settings.get(key or "") for key in (fields.memory_gb_key, fields.cores_key))
    if isinstance(limit, int | float):
        ram.axhline(limit, color=canvas.LIMIT_COLOUR, linewidth=1.2, linestyle="--", label="memory limit")
    if isinstance(allowed, int):
        cpu.axhline(allowed, color="#1f2733", linewidth=1.1, linestyle=":", label="cores that it may use")
    for axes in (cpu, ram):
        axes.grid(axis="y", alpha=0.25)
        for span in timeline.spans:
            if span.depth == 0:
                axes.axvline(span.start, color="#6b6b6b", linewidth=0.6, alpha=0.6)
    how = "does not fit" if (column.middle.ended or {}).get("does_not_fit") else seconds(timeline.end)
    cpu.set_title(canvas.literal(f"{canvas.shorten(column.label, 44)}\n{how}"), fontsize=9)


def _stack(axes: Axes, edges: Sequence[float], values: Mapping[str, Sequence[float]]) -> None:
    """Areas on top of each other, a step a bin; a role that would not be seen is left out."""
    below = [0.0] * (len(edges) - 1)
    most = max((sum(values[role][number] for role in _STACKED) for number in range(len(below))), default=0.0)
    for role in _STACKED:
        if max(values[role], default=0.0) < _VISIBLE_FRACTION * most:
            continue
        above = [low + value for low, value in zip(below, values[role], strict=True)]
        axes.fill_between(
            edges, [*below, below[-1]], [*above, above[-1]], step="post", color=canvas.ROLE_COLOURS[role],
            linewidth=0, label=canvas.ROLE_NAMES[role],
        )  # fmt: skip
        below = above


def busy_cores(timeline: Timeline, edges: Sequence[float]) -> dict[str, list[float]]:
    """For each role the cores that it kept busy on all hosts, on average from each edge (seconds) to the next."""
    found = {role: [0.0] * (len(edges) - 1) for role in TREE_ROLES}
    for host in timeline.hosts:
        for point in host.points:
            if point.end <= point.start:
                continue
            first = max(0, bisect_right(edges, point.start) - 1)
            for number in range(first, len(edges) - 1):
                overlap = min(point.end, edges[number + 1]) - max(point.start, edges[number])
                if overlap <= 0:
                    break
                for role, usage in point.sample.roles.items():
                    if role in found:
                        spent = usage.cpu_seconds * overlap / (point.end - point.start)
                        found[role][number] += spent / (edges[number + 1] - edges[number])
    return found


def _highest(curve: Sequence[Memory], edges: Sequence[float]) -> list[Mapping[str, int]]:
    """The memory by role in each bin: that of its sample with the most, or what was before where it has none."""
    found: list[Mapping[str, int]] = []
    last: Mapping[str, int] = {}
    for start, end in pairwise(edges):
        inside = [one for one in curve if start < one.seconds <= end]
        if inside:
            last = inside[-1].role_pss_bytes
            found.append(max(inside, key=lambda one: one.pss_bytes).role_pss_bytes)
        else:
            found.append(last)
    return found


def _most_cores(column: Column, fields: ComparisonFields) -> float:
    """The top of the axis of cores: those of the hosts."""
    allowed = column.settings.get(fields.cores_key or "")
    return float(max(column.middle.timeline.cores, allowed if isinstance(allowed, int) else 0, 1))


def _most_gigabytes(shown: Sequence[Column], fields: ComparisonFields) -> float:
    """The top of the axis of memory: the highest peak, or a limit that is not far above it."""
    curves = [memory_curve(column.middle.timeline) for column in shown]
    highest = max((one.pss_bytes for curve in curves for one in curve), default=0) / canvas.GIGABYTE
    limits = [column.settings.get(fields.memory_gb_key or "") for column in shown]
    near = [float(limit) for limit in limits if isinstance(limit, int | float) and limit <= _LIMIT_SHOWN * highest]
    return max([highest, *near, 1e-3])
