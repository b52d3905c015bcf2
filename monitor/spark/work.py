"""The records of what Spark ran, stages.jsonl and jobs.jsonl, and which phase of the run each belongs to."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from monitor.records import JOBS, STAGES, PhaseRecord

MONITOR_GROUP = "monitor"  # the job group of the monitor's own Spark jobs


@dataclass(frozen=True)
class SparkStage:
    """One attempt at a stage: its tasks' metrics summed, peak_execution_memory_bytes the largest of one task.

    Status is "complete", "failed", "active" (where the record ends before the stage), "skipped" (its result was there
    already) or "pending". Times are epoch seconds; `submitted` is None for what has not run.
    """

    stage: int
    attempt: int
    name: str
    job_group: str | None
    phase: str | None
    status: str
    submitted: float | None
    completed: float | None
    tasks: int
    failed_tasks: int = 0
    executor_run_seconds: float = 0.0
    executor_cpu_seconds: float = 0.0
    gc_seconds: float = 0.0
    shuffle_read_bytes: int = 0
    shuffle_write_bytes: int = 0
    memory_spill_bytes: int = 0
    disk_spill_bytes: int = 0
    peak_execution_memory_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0


@dataclass(frozen=True)
class SparkJob:
    """One job: status "succeeded", "failed" or "running" (where the record ends before it).

    Times are epoch seconds; `submitted` is 0 where it is not known.
    """

    job: int
    name: str
    job_group: str | None
    phase: str | None
    submitted: float
    completed: float | None
    status: str
    stages: tuple[int, ...]


@dataclass(frozen=True)
class SparkWork:
    """All that Spark ran, by number."""

    jobs: tuple[SparkJob, ...] = ()
    stages: tuple[SparkStage, ...] = ()


def join_to_phases(work: SparkWork, phases: Sequence[PhaseRecord]) -> SparkWork:
    """The same work with the phase of each job and stage, from the records of phases.jsonl.

    A job belongs to the phase whose name its job group is, else to the innermost phase in which it was submitted, else
    to none; a stage to the phase of the first job that names it.
    """
    brackets = _brackets(phases)
    names = {name for name, _, _ in brackets}

    def phase(job: SparkJob) -> str | None:
        if job.job_group in names:
            return job.job_group
        around = [(start, name) for name, start, end in brackets if start <= job.submitted <= end]
        return max(around)[1] if around else None

    jobs = tuple(dataclasses.replace(job, phase=phase(job)) for job in work.jobs)
    of_stage: dict[int, str | None] = {}
    for job in jobs:
        for stage in job.stages:
            of_stage.setdefault(stage, job.phase)
    stages = tuple(dataclasses.replace(stage, phase=of_stage.get(stage.stage)) for stage in work.stages)
    return SparkWork(jobs, stages)


def without_own_jobs(work: SparkWork) -> SparkWork:
    """The work without what the monitor itself asked of Spark, which is nobody's phase."""
    own = {stage for job in work.jobs if job.job_group == MONITOR_GROUP for stage in job.stages}
    jobs = tuple(job for job in work.jobs if job.job_group != MONITOR_GROUP)
    return SparkWork(jobs, tuple(stage for stage in work.stages if stage.stage not in own))


def write_spark_work(resources: str | Path, work: SparkWork) -> None:
    """Writes stages.jsonl and jobs.jsonl of a `resources` folder, each whole or not at all."""
    for name, records in ((STAGES, work.stages), (JOBS, work.jobs)):
        path = Path(resources) / name
        temporary = path.with_name(f".{name}.{os.getpid()}")
        lines = [json.dumps(dataclasses.asdict(record)) + "\n" for record in records]
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(path)


def read_spark_work(resources: str | Path) -> SparkWork | None:
    """What stages.jsonl and jobs.jsonl of a `resources` folder hold; None where they are missing."""
    jobs, stages = read_jobs(resources), read_stages(resources)
    return None if jobs is None or stages is None else SparkWork(jobs, stages)


def read_stages(resources: str | Path) -> tuple[SparkStage, ...] | None:
    """The stages of a `resources` folder; None without a file. Broken lines are left out; what a line lacks is 0."""
    entries = _entries(Path(resources) / STAGES)
    return None if entries is None else tuple(_filled(_NO_STAGE, entry) for entry in entries)


def read_jobs(resources: str | Path) -> tuple[SparkJob, ...] | None:
    """The jobs of a `resources` folder, as `read_stages`."""
    entries = _entries(Path(resources) / JOBS)
    if entries is None:
        return None
    jobs = [_filled(_NO_JOB, entry) for entry in entries]
    return tuple(dataclasses.replace(job, submitted=job.submitted or 0.0, stages=tuple(job.stages)) for job in jobs)


_NO_STAGE = SparkStage(0, 0, "", None, None, "", None, None, 0)
_NO_JOB = SparkJob(0, "", None, None, 0.0, None, "", ())
_Record = TypeVar("_Record", SparkStage, SparkJob)


def _entries(path: Path) -> list[dict[str, Any]] | None:
    if not path.exists():
        return None
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _filled(empty: _Record, entry: Mapping[str, Any]) -> _Record:
    known = {part.name for part in fields(empty)}
    return dataclasses.replace(empty, **{name: value for name, value in entry.items() if name in known})


def _brackets(phases: Sequence[PhaseRecord]) -> list[tuple[str, float, float]]:
    """Name, start and end of each phase in epoch seconds; one that was cut off has no end."""
    ends = {(record["name"], record["start"]): _seconds(record["end"]) for record in phases if record["event"] == "end"}
    starts = [(str(record["name"]), record["start"]) for record in phases if record["event"] == "start"]
    return [(name, _seconds(start), ends.get((name, start), float("inf"))) for name, start in starts]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
