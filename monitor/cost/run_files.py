"""The files of a run, read for a report: whatever is missing or broken is None."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.cost.phase_costs import Costs, phase_costs
from monitor.cost.timeline import Timeline, build_timeline
from monitor.errors import MonitorError
from monitor.phases import read_phases
from monitor.records import HOSTS, JOBS, PHASES, SAMPLES, STAGES, read_samples

_MONITOR_GROUP = "monitor"


@dataclass(frozen=True)
class RunFiles:
    """What is known of a run; `path` is its directory, `ended` what run.json says."""

    path: Path
    timeline: Timeline
    costs: Costs
    stages: list[dict[str, Any]] | None = None
    jobs: list[dict[str, Any]] | None = None
    ended: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    config: str | None = None  # config.toml as it is

    @property
    def name(self) -> str:
        """The run's name: that of its directory."""
        return self.path.name

    @property
    def resources(self) -> Path:
        """Where phases and samples lie."""
        return resources_of(self.path)

    def read_object(self, name: str) -> dict[str, Any] | None:
        """A JSON object of the run directory; None where it is missing or broken."""
        return _mapping(self.path / name)

    def read_rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file of the run directory; empty without a file."""
        return read_rows(self.path / name)


def read_run(run: str | Path, ended: Mapping[str, Any] | None = None) -> RunFiles:
    """Reads a run directory, or a directory that `monitor.record` wrote to; MonitorError where it is neither.

    `ended` stands for run.json where that is not written yet.
    """
    path = Path(run).resolve()
    resources = resources_of(path)
    phases = read_phases(resources)
    files = [read_samples(resources)] + [read_samples(file) for file in sorted(resources.glob("samples-*.jsonl"))]
    if not phases and not any(file.samples for file in files):
        raise MonitorError(f"{run}: no phase and no sample is in {resources}: name the directory of a run that began")
    timeline = build_timeline(phases, files, _mapping(resources / HOSTS))
    stages, jobs = _of_run(_lines(resources / STAGES)), _of_run(_lines(resources / JOBS))
    return RunFiles(
        path=path,
        timeline=timeline,
        costs=phase_costs(timeline, stages, jobs),
        stages=stages,
        jobs=jobs,
        ended=ended or _mapping(path / "run.json"),
        environment=_mapping(path / "environment.json"),
        config=_text(path / "config.toml"),
    )


def resources_of(run: str | Path) -> Path:
    """Where phases and samples lie: in resources/, or in the directory itself; MonitorError where in neither."""
    path = Path(run)
    if not path.is_dir():
        raise MonitorError(f"{run}: no such directory: name that of a run, such as runs/quickstart-20260101-120000")
    if (path / "resources").is_dir():
        return path / "resources"
    if any((path / name).exists() for name in (PHASES, SAMPLES)):
        return path
    raise MonitorError(f"{run}: is not a run, as it has no resources/: name a directory that a job or watch wrote")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _mapping(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(_text(path) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _lines(path: Path) -> list[dict[str, Any]] | None:
    """The objects of a file with one a line, cut off lines left out; None without a file."""
    text = _text(path)
    if text is None:
        return None
    found = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _of_run(records: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Without the jobs by which the monitor asks executors for their samples."""
    return None if records is None else [record for record in records if record.get("job_group") != _MONITOR_GROUP]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; empty without a file. A row that was cut off is left out."""
    text = _text(path)
    rows = list(csv.DictReader(text.splitlines())) if text else []
    return [row for row in rows if None not in row.values()]
