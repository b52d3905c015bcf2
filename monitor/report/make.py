"""The report of a run: phases.csv, phases.md, pictures, and index.html, which holds all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monitor.cost.run_files import RunFiles, read_run
from monitor.errors import MonitorError
from monitor.extensions import Card, Section, find_extensions
from monitor.plots import Picture, plot_cores, plot_hosts, plot_memory, plot_phase, plot_run
from monitor.report.findings import Finding, findings
from monitor.report.frame import write_text
from monitor.report.markup import Html, figure
from monitor.report.page import page
from monitor.report.tables import costs_csv, costs_markdown, costs_screen
from monitor.screen import say

REPORT = "report"
_MOST_HOSTS, _MOST_PHASES = 8, 24  # that have a picture of their own


def make_report(run: str | Path, ended: Mapping[str, Any] | None = None) -> Path:
    """Writes report/ into a run directory.

    Args:
        run: The run directory, or a directory that `monitor.record` wrote to.
        ended: Stands for run.json where that is still to be written.

    Returns:
        The path of the report's index.html.

    Raises:
        MonitorError: `run` is not a run, or neither a phase nor a sample of it is known.
    """
    return _write(read_run(run, ended))


def report_command(run: str | Path) -> int:
    """`python -m monitor report RUN`: makes the report, prints the phase table and the page's path; exit code 0.

    Raises:
        MonitorError: As of `make_report`, or the report cannot be written.
    """
    files = read_run(run)
    try:
        path = _write(files)
    except OSError as error:
        raise MonitorError(f"{run}: the report cannot be written there: {error.strerror or error}") from None
    say(costs_screen(files.costs))
    say(str(path))
    return 0


def _write(run: RunFiles) -> Path:
    folder = run.path / REPORT
    folder.mkdir(exist_ok=True)
    added = _added(run)
    found = findings(run, added.findings)
    write_text(folder / "phases.csv", costs_csv(run.costs))
    write_text(folder / "phases.md", _markdown(run, found))
    whole, phases = _pictures(run, folder)
    index = folder / "index.html"
    write_text(index, page(run, found, whole, phases, added.sections, added.cards))
    return index


class _Added(NamedTuple):
    """What extensions add to a report."""

    sections: list[tuple[Section, Html | None]]
    cards: list[Card]
    findings: list[Finding]


def _added(run: RunFiles) -> _Added:
    extensions, problems = find_extensions(run.resources)
    added = _Added([], [], [Finding(text) for text in problems])
    for extension in extensions:
        try:
            added.findings.extend(extension.findings(run) if extension.findings else ())
            added.cards.extend(extension.cards(run) if extension.cards else ())
            for section in extension.sections:
                rendered = section.render(run)
                added.sections.append((section, figure(rendered) if isinstance(rendered, Picture) else rendered))
        except Exception as error:  # the report of a run is worth more than a part of it
            text = f"Not all that {extension.name} adds could be made: {type(error).__name__}: {error}."
            added.findings.append(Finding(text))
    return added


def _pictures(run: RunFiles, folder: Path) -> tuple[list[Picture], dict[str, Picture]]:
    for old in (*folder.glob("phase-*.png"), *folder.glob("cores*.png")):  # of a report made earlier
        old.unlink()
    timeline = run.timeline
    if not timeline.hosts:
        return [], {}
    whole = [plot_run(timeline, folder / "run.png"), plot_memory(timeline, folder / "memory.png")]
    drawn = [plot_hosts(timeline, folder / "hosts.png")]
    for number, host in enumerate(timeline.hosts[:_MOST_HOSTS]):
        drawn.append(plot_cores(timeline, host, folder / (f"cores-{number}.png" if number else "cores.png")))
    phases = {}
    longest = sorted(run.costs.phases, key=lambda row: -row.wall_seconds)[:_MOST_PHASES]
    for number, row in enumerate(run.costs.phases, 1):
        if row not in longest:
            continue
        safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", row.phase)[:60]
        picture = plot_phase(timeline, row, folder / f"phase-{number:02d}-{safe}.png")
        if picture:
            phases[row.phase] = picture
    return [*whole, *[picture for picture in drawn if picture]], phases


def _markdown(run: RunFiles, found: Sequence[Finding]) -> str:
    notes = "".join(f"- {'**Mind:** ' if finding.warning else ''}{_one_line(finding.text)}\n" for finding in found)
    return f"# {_one_line(run.name)}\n\n{costs_markdown(run.costs)}\n{notes}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")
