"""How a program's runs are compared: what its settings mean, and which figures of its own a table shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.cost.run_files import RunFiles
from monitor.plots.canvas import Picture

if TYPE_CHECKING:
    from monitor.compare.comparison import Comparison


@dataclass(frozen=True)
class Table:
    """A table of texts: a title, names of columns (the first is text, the others are numbers), rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    about: str = ""


class GridColumn(NamedTuple):
    """A column of a grid's table: the figure's name, its heading, digits, and what the figure is divided by."""

    name: str
    title: str
    digits: int
    divisor: float = 1.0


class ComparedPart(NamedTuple):
    """What a section of a comparison shows; None is left out."""

    table: Table | None
    picture: Picture | None


@dataclass(frozen=True)
class ComparisonSection:
    """A section of a comparison.

    Attributes:
        name: Its id on the page, unlike any other.
        title: Its heading.
        after: The name of the section that it follows. The comparison's own are notice, speedup, costs, grid, phases,
            machine, runs and method. After a name that is not there, it comes last.
        render: Makes it from the comparison; a picture goes into the folder.
    """

    name: str
    title: str
    after: str
    render: Callable[[Comparison, Path], ComparedPart]


def no_figures(run: RunFiles) -> dict[str, float]:
    """The figures of a program that has none of its own."""
    return {}


def no_columns(figures: Sequence[str]) -> list[GridColumn]:
    """The columns of a program that has none of its own."""
    return []


def no_variant(settings: Mapping[str, Any], differing: Sequence[str]) -> str | None:
    """Leaves the name of a variant to the monitor."""
    return None


@dataclass(frozen=True)
class ComparisonFields:
    """What a program's settings mean.

    Attributes:
        workers_key: The setting that is the number of workers, as a dotted key of config.toml; None without one.
        cores_key: The setting that is the number of cores that a run may use; None without one.
        memory_gb_key: The setting that is the memory (GB) that a run may use; None without one.
        ignored: Beginnings of keys that change nothing about how a run goes.
        variant: Names a run by those of its settings that differ between the runs; None where the monitor shall.
        phase_seconds: Figures of a grid that are wall times of single phases: the figure's name to the phase's.
        figures: Other figures of a run for a grid, such as its quality.
        grid_columns: Which of all those figures (given by name) the table of a grid shows.
        sections: More sections of a comparison.
    """

    workers_key: str | None = None
    cores_key: str | None = None
    memory_gb_key: str | None = None
    ignored: tuple[str, ...] = ("name",)
    variant: Callable[[Mapping[str, Any], Sequence[str]], str | None] = no_variant
    phase_seconds: Mapping[str, str] = field(default_factory=dict)
    figures: Callable[[RunFiles], Mapping[str, float]] = no_figures
    grid_columns: Callable[[Sequence[str]], Sequence[GridColumn]] = no_columns
    sections: tuple[ComparisonSection, ...] = ()


PLAIN = ComparisonFields()
