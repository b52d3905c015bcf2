"""What a program adds to the reports and comparisons of its own runs: sections, figures, findings, columns.

The monitor knows processes, phases and Spark. What a run was about, the program knows. It describes that by an
`Extension`, which the monitor finds in two ways:

- by resources/extensions.json of a run, which names extensions as "module:attribute". `monitor.record(...,
  extensions=["my_job.report:EXTENSION"])` writes it. A module that cannot be imported where the report is made is left
  out, and the report says so;
- by an entry point of the group `howdah.monitor_sections`, which names an `Extension` of an installed package. It is
  asked about every run, and shows nothing of those that are not its own.

Reading a report imports the modules that the run names, as far as they are installed or on the Python path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from monitor.compare.fields import ComparisonFields
    from monitor.cost.run_files import RunFiles
    from monitor.plots.canvas import Picture
    from monitor.report.findings import Finding
    from monitor.report.markup import Html

GROUP = "howdah.monitor_sections"
EXTENSIONS = "extensions.json"


class Card(NamedTuple):
    """A figure at the head of a report: its name, its value and a note below."""

    name: str
    value: str
    note: str | None = None


@dataclass(frozen=True)
class Section:
    """A section of a run's report.

    Attributes:
        name: Its id on the page; unlike any other.
        title: Its heading.
        after: The name of the section that it follows. The report's own are notice, phases, run, each, spark, samples,
            settings and environment. After a name that is not there, it comes last.
        render: Makes it from the run: HTML (`monitor.report.markup`), a picture, or None where there is nothing.
    """

    name: str
    title: str
    after: str
    render: Callable[[RunFiles], Html | Picture | None]


@dataclass(frozen=True)
class Extension:
    """What a program adds.

    Attributes:
        name: Unlike any other; of two with one name the first counts.
        sections: Sections of a report.
        cards: Figures at the head of a report.
        findings: What a reader should notice.
        comparison: How runs are compared: their settings, worker counts and figures.
    """

    name: str
    sections: Sequence[Section] = ()
    cards: Callable[[RunFiles], Sequence[Card]] | None = None
    findings: Callable[[RunFiles], Sequence[Finding]] | None = None
    comparison: ComparisonFields | None = None


class FoundExtensions(NamedTuple):
    """The extensions of a run, and sentences on those that could not be loaded."""

    extensions: tuple[Extension, ...]
    problems: tuple[str, ...]


def find_extensions(resources: Path) -> FoundExtensions:
    """The extensions that the run with these `resources` names, and after them those of installed packages."""
    from importlib.metadata import entry_points  # late: it costs more than the rest of the sidecar's imports

    found: dict[str, Extension] = {}
    problems: list[str] = []
    for reference in [*_named(resources), *(entry.value for entry in entry_points(group=GROUP))]:
        try:
            extension = _load(reference)
        except Exception as error:  # whatever a foreign module raises, the report is made
            problems.append(f"{reference} adds nothing here: {type(error).__name__}: {error}.")
        else:
            found.setdefault(extension.name, extension)
    return FoundExtensions(tuple(found.values()), tuple(dict.fromkeys(problems)))


def write_extensions(resources: Path, references: Iterable[str]) -> None:
    """Names the extensions of a run, as "module:attribute"."""
    (resources / EXTENSIONS).write_text(json.dumps(list(references)) + "\n", encoding="utf-8")


def _named(resources: Path) -> list[str]:
    try:
        names = json.loads((resources / EXTENSIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _load(reference: str) -> Extension:
    module, _, attribute = reference.partition(":")
    found: object = getattr(import_module(module), attribute or "EXTENSION")
    if not isinstance(found, Extension):
        raise TypeError(f"is a {type(found).__name__}, not a monitor.Extension")
    return found
