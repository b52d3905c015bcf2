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
from monitor.records import HOSTS, PHASES, SAMPLES, read_samples
from monitor.spark.work import MONITOR_GROUP, SparkJob, SparkStage, read_jobs, read_stages


@dataclass(frozen=True)
class RunFiles:
    """What is known of a run; `path` is its directory, `ended` what run.json says."""

    path: Path
    timeline: Timeline
    costs: Costs
    stages: tuple[SparkStage, ...] | None = None
    jobs: tuple[SparkJob, ...] | None = None
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
    stages, jobs = read_stages(resources), read_jobs(resources)
    # without the jobs by which the monitor asks executors for their samples
    stages = None if stages is None else tuple(stage for stage in stages if stage.job_group != MONITOR_GROUP)
    jobs = None if jobs is None else tuple(job for job in jobs if job.job_group != MONITOR_GROUP)
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


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; empty without a file. A row that was cut off is left out."""
    text = _text(path)
    rows = list(csv.DictReader(text.splitlines())) if text else []
    return [row for row in rows if None not in row.values()]
