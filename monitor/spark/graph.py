"""The graph of a Spark job: its stages, what each does, whose shuffles it reads, and which were skipped."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.spark.collect import SparkJob, SparkStage, SparkWork, work_of
from monitor.spark.eventlog import read_events

SKIPPED = "skipped"
_INTERNAL = ("mapPartitionsInternal", "MapPartitionsRDD")  # what Spark puts around the operations of a query
_CALL_SITE = re.compile(r"(.* at )?.*/([^/]+:\d+)")


@dataclass(frozen=True)
class Step:
    """An operation of a stage by Spark's name for it, and whether its result is kept (persisted, cached)."""

    name: str
    kept: bool = False


@dataclass(frozen=True)
class GraphStage:
    """A stage as one job sees it.

    `name` is where it was asked for, without folders. `parents` are the stages whose shuffles it reads. A stage is
    "skipped" where its result was there already: `ran_as` is then the stage that had made it, None where the log does
    not say. Bytes written and seconds are of this stage, or of the one that it ran as; None where neither is known.
    Bytes read are None where it did not run in this job, and 0 where what it kept stood in for the shuffle.
    """

    stage: int
    name: str
    status: str  # as of SparkStage
    tasks: int
    steps: tuple[Step, ...]
    parents: tuple[int, ...]
    ran_as: int | None = None
    shuffle_write_bytes: int | None = None
    shuffle_read_bytes: int | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True)
class JobGraph:
    """A job and its stages by number."""

    job: SparkJob
    stages: tuple[GraphStage, ...]

    @property
    def skipped(self) -> tuple[GraphStage, ...]:
        """The stages that this job did not have to run."""
        return tuple(stage for stage in self.stages if stage.status == SKIPPED)

    @property
    def shuffles(self) -> tuple[tuple[GraphStage, GraphStage], ...]:
        """Who writes and who reads, for every shuffle."""
        known = {stage.stage: stage for stage in self.stages}
        return tuple((known[parent], stage) for stage in self.stages for parent in stage.parents if parent in known)


def read_job_graphs(path: str | Path) -> tuple[JobGraph, ...]:
    """The graphs of all jobs in an event log (of what kind, says monitor.spark.eventlog.read_events), by number."""
    return job_graphs(work_of(read_events(path)), read_events(path))  # read twice: tasks' events would fill the memory


def job_graphs(work: SparkWork, events: Iterable[Mapping[str, Any]]) -> tuple[JobGraph, ...]:
    """The graphs of all jobs of `work`; of the events in Spark's JSON form only the starts of jobs count."""
    starts = [event for event in events if event["Event"] == "SparkListenerJobStart"]
    infos_of_job = {event.get("Job ID"): event.get("Stage Infos") or [] for event in starts}
    attempts: dict[int, list[SparkStage]] = {}
    for stage in work.stages:
        attempts.setdefault(stage.stage, []).append(stage)
    makers: dict[int, int] = {}  # what a stage ends with (an RDD) to the stage that made it
    graphs = []
    for job in work.jobs:
        infos = sorted(infos_of_job.get(job.job, []), key=lambda info: int(info["Stage ID"]))
        for info in infos:
            if _ran(attempts.get(info["Stage ID"], []), job) and (last := _last_rdd(info)) is not None:
                makers[last] = info["Stage ID"]
        graphs.append(JobGraph(job, tuple(_stage(info, job, attempts, makers) for info in infos)))
    return tuple(graphs)


def _stage(
    info: Mapping[str, Any], job: SparkJob, attempts: Mapping[int, list[SparkStage]], makers: Mapping[int, int]
) -> GraphStage:
    own = attempts.get(info["Stage ID"], [])
    stage = GraphStage(
        stage=info["Stage ID"],
        name=_CALL_SITE.sub(r"\1\2", str(info["Stage Name"])),
        status=own[-1].status if own else "pending",
        tasks=int(info["Number of Tasks"]),
        steps=tuple(_steps(info.get("RDD Info") or [])),
        parents=tuple(sorted(info.get("Parent IDs") or [])),
    )
    if _ran(own, job):
        read = sum(attempt.shuffle_read_bytes for attempt in own)
        return dataclasses.replace(stage, shuffle_read_bytes=read, **_measured(own))
    last = _last_rdd(info)
    maker = None if last is None else makers.get(last)
    if stage.status == "complete":  # of an earlier job
        stage = dataclasses.replace(stage, status=SKIPPED)
    return dataclasses.replace(stage, ran_as=maker, **(_measured(attempts[maker]) if maker is not None else {}))


def _ran(attempts: Iterable[SparkStage], job: SparkJob) -> bool:
    """Whether any attempt was made for this job, not for one before it."""
    return any(attempt.submitted is not None and attempt.submitted >= job.submitted for attempt in attempts)


def _measured(attempts: Sequence[SparkStage]) -> dict[str, Any]:
    """The figures of all attempts together: a later one makes only what an earlier one left."""
    times = [attempt.completed - attempt.submitted for attempt in attempts if attempt.completed and attempt.submitted]
    return {
        "shuffle_write_bytes": sum(attempt.shuffle_write_bytes for attempt in attempts),
        "wall_seconds": sum(times) if times else None,
    }


def _last_rdd(info: Mapping[str, Any]) -> int | None:
    return max((int(rdd["RDD ID"]) for rdd in info.get("RDD Info") or []), default=None)


def _steps(rdds: Sequence[Mapping[str, Any]]) -> list[Step]:
    """What a stage does in order: a step for each operation of the user, not for every RDD that it is made of."""
    found: list[tuple[str, Step]] = []
    for rdd in sorted(rdds, key=lambda rdd: int(rdd["RDD ID"])):
        scope = json.loads(rdd.get("Scope") or "null") or {}
        name = str(scope.get("name") or rdd["Name"].partition("\n")[0]).strip()
        level = rdd.get("Storage Level") or {}
        kept = bool(level.get("Use Memory") or level.get("Use Disk"))
        key = str(scope.get("id") or f"rdd {rdd['RDD ID']}")
        if name in _INTERNAL:
            if not kept:
                continue
            name = "cached table"
        if found and found[-1][0] == key:
            found[-1] = (key, Step(name, kept or found[-1][1].kept))
        else:
            found.append((key, Step(name, kept)))
    return [step for _, step in found]
