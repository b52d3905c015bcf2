"""The graph of a Spark job as a picture: stages as boxes from left to right, shuffles as arrows with their bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.formatting import counted, gigabytes, seconds
from monitor.plots import canvas
from monitor.spark.graph import SKIPPED, GraphStage, JobGraph, Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _GAP, _LINE, _APART = 2.5, 1.25, 0.21, 0.45  # inches: box, between layers, line of text, between boxes
_MOST_STEPS = 9
_LOOKS = {  # edge, face
    "complete": ("#0b5cad", "#eaf1fa"),
    SKIPPED: ("#8a8f98", "#f6f6f6"),
    "failed": ("#b3261e", "#fbe9e7"),
}
_OTHER = ("#8a6d1a", "#fdf6e0")  # under way, or never begun
_INK, _PALE, _SHUFFLE = "#1f2733", "#6b7280", "#b45309"

Position = tuple[float, float]  # inches: left edge, top edge


def plot_job(graph: JobGraph, path: str | Path) -> canvas.Picture | None:
    """Draws the stages of a job and the shuffles between them; None for a job without stages."""
    if not graph.stages:
        return None
    heights = {stage.stage: _LINE * (2.4 + len(_lines(stage))) for stage in graph.stages}
    positions, ways = _layout(graph, heights)
    width = max(left for left, _ in positions.values()) + _WIDE
    height = max(top + heights[stage] for stage, top in ((n, p[1]) for n, p in positions.items()))
    figure = canvas.new_figure(width + 0.3, height + 0.7)
    axes = figure.subplots()
    axes.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")  # downwards, as text goes
    axes.axis("off")
    for stage in graph.stages:
        _box(axes, stage, positions[stage.stage], heights[stage.stage])
    for (source, target), middle in ways.items():
        _arrow(axes, source, target, positions, heights, middle)
    group = f" of {graph.job.job_group}" if graph.job.job_group else ""
    title = f"job {graph.job.job}{group}: {counted(len(graph.stages), 'stage')}, {len(graph.skipped)} skipped"
    axes.set_title(canvas.literal(title), loc="left", fontsize=11, color=_INK)
    canvas.save(figure, Path(path))
    return canvas.Picture(Path(path), title[0].upper() + title[1:], _in_words(graph))


def _in_words(graph: JobGraph) -> str:
    moved = [
        f"stage {source.stage} to stage {target.stage} {gigabytes(source.shuffle_write_bytes)}"
        for source, target in graph.shuffles
    ]
    skipped = ", ".join(str(stage.stage) for stage in graph.skipped)
    return f"Skipped: {skipped or 'none'}. Shuffles: {', '.join(moved) or 'none'}."


def _layout(
    graph: JobGraph, heights: dict[int, float]
) -> tuple[dict[int, Position], dict[tuple[GraphStage, GraphStage], list[Position]]]:
    """Where every stage stands, and for every shuffle the points that it passes on its way between the layers."""
    known = {stage.stage: stage for stage in graph.stages}
    layers = _layers(graph.stages)
    columns: list[list[Any]] = [[] for _ in range(max(layers.values()) + 1)]
    for stage in graph.stages:
        columns[layers[stage.stage]].append(stage.stage)
    for source, target in graph.shuffles:  # a way past a layer takes a row in it
        for layer in range(layers[source.stage] + 1, layers[target.stage]):
            columns[layer].append((source.stage, target.stage))
    before: dict[Any, float] = {}
    for column in columns:
        column.sort(key=lambda node: (_wanted(node, known, before), str(node)))
        before |= {node: float(row) for row, node in enumerate(column)}
    tall = [sum(heights.get(node, _LINE) + _APART for node in column) - _APART for column in columns]
    at: dict[Any, Position] = {}
    for number, column in enumerate(columns):
        top = (max(tall) - tall[number]) / 2
        for node in column:
            at[node] = (number * (_WIDE + _GAP), top)
            top += heights.get(node, _LINE) + _APART
    ways = {
        (source, target): [
            (at[node][0] + beside, at[node][1] + _LINE / 2)
            for layer in range(layers[source.stage] + 1, layers[target.stage])
            for node in columns[layer] if node == (source.stage, target.stage)
            for beside in (0.0, _WIDE)
        ]
        for source, target in graph.shuffles
    }  # fmt: skip
    return {stage: at[stage] for stage in known}, ways


def _layers(stages: Sequence[GraphStage]) -> dict[int, int]:
    """How many shuffles lie before each stage at most; parents are made before their children, so have less numbers."""
    known = {stage.stage: stage for stage in stages}
    layers: dict[int, int] = {}

    def layer(stage: int, seen: frozenset[int]) -> int:
        if stage not in layers:
            inner = [parent for parent in known[stage].parents if parent in known and parent not in seen]
            layers[stage] = max((layer(parent, seen | {stage}) + 1 for parent in inner), default=0)
        return layers[stage]

    for stage in stages:
        layer(stage.stage, frozenset({stage.stage}))
    return layers


def _wanted(node: Any, known: dict[int, GraphStage], before: dict[Any, float]) -> float:
    """Which row a stage, or a way past a layer, would have: the mean of those that it comes from."""
    if isinstance(node, tuple):
        sources: list[Any] = [node, node[0]]
    else:
        sources = [(parent, node) if (parent, node) in before else parent for parent in known[node].parents]
    rows = [before[source] for source in sources if source in before]
    return sum(rows) / len(rows) if rows else 0.0


def _lines(stage: GraphStage) -> list[Step]:
    """The steps that are shown: of many the first, the last, and between them those whose results are kept."""
    steps = list(stage.steps)
    if len(steps) <= _MOST_STEPS:
        return steps
    half = _MOST_STEPS // 2
    kept = [step for step in steps[half:-half] if step.kept]
    return [*steps[:half], *kept, Step(f"… {len(steps) - 2 * half - len(kept)} more …"), *steps[-half:]]


def _box(axes: Axes, stage: GraphStage, position: Position, height: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    edge, face = _LOOKS.get(stage.status, _OTHER)
    left, top = position
    skipped = stage.status == SKIPPED
    axes.add_patch(
        FancyBboxPatch(
            (left, top), _WIDE, height, boxstyle="round,pad=0,rounding_size=0.08", edgecolor=edge, facecolor=face,
            linewidth=1.6, linestyle=(0, (4, 3)) if skipped else "solid",
        )
    )  # fmt: skip
    ink = _PALE if skipped else _INK
    state = "" if stage.status == "complete" else f" ({stage.status})"
    _text(axes, left + 0.12, top + _LINE * 0.8, f"stage {stage.stage}{state}", color=edge, fontweight="bold")
    _text(axes, left + 0.12, top + _LINE * 1.7, _figures(stage), color=_PALE, fontsize=7.5)
    for row, step in enumerate(_lines(stage)):
        at = top + _LINE * (2.75 + row)
        _text(axes, left + 0.12, at, canvas.shorten(step.name, 24), color=ink)
        if step.kept:
            _text(axes, left + _WIDE - 0.12, at, "kept", color="#1a7f37", ha="right", fontsize=7.5)


def _figures(stage: GraphStage) -> str:
    if stage.status == SKIPPED:
        return f"made by stage {stage.ran_as}" if stage.ran_as is not None else "its result was there"
    took = f", {seconds(stage.wall_seconds)}" if stage.wall_seconds is not None else ""
    return f"{counted(stage.tasks, 'task')}{took}"


def _text(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    axes.text(x, y, canvas.literal(text), **{"fontsize": 8.5, "va": "center", "ha": "left", **look})


def _arrow(
    axes: Axes,
    source: GraphStage,
    target: GraphStage,
    positions: dict[int, Position],
    heights: dict[int, float],
    middle: Sequence[Position],
) -> None:
    entries = Counter(target.parents)
    part = (sorted(entries).index(source.stage) + 1) / (len(entries) + 1)  # several arrows come in apart
    begin = (positions[source.stage][0] + _WIDE, positions[source.stage][1] + heights[source.stage] / 2)
    end = (positions[target.stage][0], positions[target.stage][1] + heights[target.stage] * part)
    points = [begin, *middle, end]
    unread = target.shuffle_read_bytes is None or (source.shuffle_write_bytes and not target.shuffle_read_bytes)
    line: Any = (0, (4, 3)) if unread else "solid"
    if middle:
        axes.plot(*zip(*points[:-1], strict=True), color=_SHUFFLE, linewidth=1.5, linestyle=line, zorder=0.5)
    axes.annotate(
        "", end, points[-2],
        arrowprops={"arrowstyle": "-|>", "color": _SHUFFLE, "linewidth": 1.5, "linestyle": line, "shrinkA": 0},
    )  # fmt: skip
    x, y = ((points[0][axis] + points[1][axis]) / 2 for axis in (0, 1))
    label = f"shuffle\n{gigabytes(source.shuffle_write_bytes)}" + ("\nnot read" if unread else "")
    axes.text(
        x, y - 0.06, label, ha="center", va="bottom", fontsize=8, color=_SHUFFLE, linespacing=1.15,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85},
    )  # fmt: skip
