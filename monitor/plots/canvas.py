"""What all pictures have in common: colours, axes in seconds, saving. Matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.formatting import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
# the paper's: CPU green, memory blue
CPU_COLOUR, MACHINE_COLOUR, MEMORY_COLOUR = "#1a7f37", "#8fc79b", "#0b5cad"
LIMIT_COLOUR, RSS_COLOUR, SHADE = "#b3261e", "#6b6b6b", ("#e4ebf5", "#fbf4e4")
ROLE_COLOURS = {"driver": "#3b75af", "jvm": "#ef8636", "worker": "#519e3e", "other": "#9a9a9a"}
ROLE_NAMES = {"driver": "driver's Python", "jvm": "JVM", "worker": "Python workers", "other": "other processes"}
HOST_COLOURS = ("#3b75af", "#ef8636", "#519e3e", "#c53a32", "#8d69b8", "#84584e", "#d57dbe", "#7f7f7f")
GIGABYTE = 1e9
_MOST_POINTS = 500  # more cannot be distinguished


@dataclass(frozen=True)
class Picture:
    """A picture on disk, and what it shows in words: a title and an alternative text."""

    path: Path
    title: str
    text: str


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure as PNG, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    canvas: Any = figure.canvas
    canvas.print_png(temporary)  # savefig draws everything twice, the first time for the layout alone
    temporary.replace(path)
    return path


def literal(text: str) -> str:
    """A name as it is: Matplotlib takes what stands between two dollars for a formula."""
    return text.replace("$", r"\$")


def shorten(text: str, most: int = 34) -> str:
    """A name that fits."""
    return text if len(text) <= most else text[: most - 1] + "…"


def percent_axis(axes: Axes, what: str = "CPU (% of all cores)") -> None:
    """The left axis, always 0 to 100 %, so that pictures can be compared."""
    axes.set_ylim(0, 104)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(what, color=CPU_COLOUR)
    axes.tick_params(axis="y", colors=CPU_COLOUR)


def memory_axis(axes: Axes, highest_bytes: float, what: str = "RAM (GB, PSS)", colour: str = MEMORY_COLOUR) -> None:
    """An axis from 0 GB to a little above what is shown."""
    axes.set_ylim(0, max(highest_bytes / GIGABYTE, 0.001) * 1.12)
    axes.set_ylabel(what, color=colour)
    axes.tick_params(axis="y", colors=colour)


def thinned(
    times: Sequence[float], values: Sequence[float], keep: str = "mean", most: int = _MOST_POINTS
) -> tuple[Sequence[float], Sequence[float]]:
    """Of very many values fewer: the mean of neighbours, or (keep "max") the highest of them."""
    count = len(times)
    if count <= most:
        return times, values
    edges = [round(number * count / most) for number in range(most + 1)]
    groups = [slice(low, high) for low, high in pairwise(edges)]
    joined = [max(values[part]) if keep == "max" else sum(values[part]) / len(values[part]) for part in groups]
    return [times[part][-1] for part in groups], joined


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """One legend for several axes, under the picture, where it hides nothing."""
    found: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(
            list(found.values()),
            list(found),
            loc="outside lower center",
            ncols=min(columns, len(found)),
            frameon=False,
            fontsize="medium",
        )


def cores_text(cores: int) -> str:
    """2 cores, 1 core."""
    return counted(cores, "core")
