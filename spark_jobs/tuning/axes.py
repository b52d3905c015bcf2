"""What the pictures of a study share: colours, the axis of values, and marks of trials that have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.formatting import counted
from monitor.plots import canvas
from recsys.tuning.results import COMPLETE, FAILED, PRUNED, TrialRow
from spark_jobs.tuning.study_files import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

COLOURS = {COMPLETE: canvas.MEMORY_COLOUR, PRUNED: "#ef8636", FAILED: canvas.LIMIT_COLOUR}
BEST_COLOUR, PALE_COLOUR = canvas.CPU_COLOUR, "#9aa5b5"
MOST_KEYS = 16  # that have a bar, an axis or a panel; of more those that matter most
HEIGHTS = {FAILED: 0.03, PRUNED: 0.09}  # of marks without a value, in parts of the panel


def valued(study: Study) -> list[TrialRow]:
    """The trials that have a value."""
    return [row for row in study.trials if row.value is not None]


def shown_value(study: Study, row: TrialRow) -> float:
    """The value, or the edge of the picture where it lies beyond."""
    edge, value = study.worst_shown(), row.value
    assert edge is not None and value is not None
    return edge if study.better(edge, value) else value


def beyond(study: Study) -> str:
    """A sentence on trials whose values lie beyond the edge; empty without any."""
    edge = study.worst_shown()
    count = sum(1 for row in valued(study) if edge is not None and study.better(edge, row.value or 0.0))
    return f" At the edge: {counted(count, 'trial')} with values beyond it." if count else ""


def limits(study: Study) -> tuple[float, float]:
    """The lowest and the highest value that are drawn; they differ."""
    values = [shown_value(study, row) for row in valued(study)]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - abs(low or 1) / 100, high + abs(high or 1) / 100)


def value_axis(axes: Axes, study: Study) -> None:
    """The axis of values; with room below for trials that have none."""
    axes.set_ylabel(canvas.literal(canvas.shorten(study.metric)))
    if not valued(study):
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        return
    low, high = limits(study)
    # below is room for the trials without a value
    room = 0.18 if len(valued(study)) < len(study.trials) else 0.06
    axes.set_ylim(low - room * (high - low), high + 0.06 * (high - low))


def marks_without_value(axes: Axes, places: Sequence[float], state: str, height: float, size: float) -> None:
    """Marks of trials that have no value, along the lower edge."""
    if places:
        axes.scatter(
            places, [height] * len(places), size, transform=axes.get_xaxis_transform(), color=COLOURS[state],
            marker="x" if state == FAILED else "v", linewidths=1.0, label=state, zorder=4,
        )  # fmt: skip


def whole_numbers() -> Locator:
    """Labels at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def short_name(key: str) -> str:
    """A key as a picture names it."""
    return canvas.shorten(key.removeprefix("model."), 34)
