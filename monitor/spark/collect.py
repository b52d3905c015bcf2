"""What Spark itself knows of a run's jobs and stages: from the status REST API, or from an event log afterwards.

Python's work in the Python workers (UDFs, mapInArrow, mapPartitions) is not in Spark's CPU time, which is that of the
JVM's task threads alone; it is within the run time, and as CPU time in the samples of the role "worker".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.phases import read_phases
from monitor.spark.eventlog import read_events
from monitor.spark.rest import read_rest
from monitor.spark.work import (
    SparkJob,
    SparkStage,
    SparkWork,
    join_to_phases,
    read_spark_work,
    without_own_jobs,
    write_spark_work,
)

__all__ = [
    "EVENT_LOG", "SparkJob", "SparkStage", "SparkWork", "collect_event_log", "join_to_phases", "read_event_log",
    "read_rest", "read_spark_work", "without_own_jobs", "work_of", "write_spark_work",
]  # fmt: skip

EVENT_LOG = "eventlog"  # the folder in `resources` that a run's event log is written to
_NOT_FAILED = ("Success", "TaskKilled", "TaskCommitDenied")  # as Spark's own pages count


def collect_event_log(resources: str | Path, log: str | Path | None = None) -> SparkWork:
    """Reads an event log (default: the one in `resources`/eventlog), joins it to phases.jsonl, writes both files."""
    found = without_own_jobs(read_event_log(log or Path(resources) / EVENT_LOG))
    work = join_to_phases(found, read_phases(resources))
    write_spark_work(resources, work)
    return work


def read_event_log(path: str | Path) -> SparkWork:
    """Jobs and stages of an event log (of what kind, says monitor.spark.eventlog.read_events), not joined to phases."""
    return work_of(read_events(path))


def work_of(events: Iterable[Mapping[str, Any]]) -> SparkWork:
    """Jobs and stages from events in Spark's JSON form; events that are unknown or lack something are left out."""
    gathered = _Gathered()
    takers = {
        "SparkListenerJobStart": gathered.job_start,
        "SparkListenerJobEnd": gathered.job_end,
        "SparkListenerStageSubmitted": gathered.stage_submitted,
        "SparkListenerStageCompleted": gathered.stage_completed,
        "SparkListenerTaskEnd": gathered.task_end,
    }
    for event in events:
        take = takers.get(event["Event"])
        try:
            if take:
                take(event)
        except (KeyError, TypeError, AttributeError):  # of another version of Spark
            continue
    return gathered.work()


@dataclass
class _Gathered:
    """Jobs and stage attempts as events describe them; a stage's numbers are kept under its record's names."""

    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    stages: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    named: dict[int, Mapping[str, Any]] = field(default_factory=dict)  # stages that jobs have asked for

    def job_start(self, event: Mapping[str, Any]) -> None:
        infos = sorted(event["Stage Infos"], key=lambda info: info["Stage ID"])
        self.jobs[event["Job ID"]] = {
            "name": infos[-1]["Stage Name"] if infos else "",
            "job_group": (event.get("Properties") or {}).get("spark.jobGroup.id"),
            "submitted": event["Submission Time"] / 1e3,
            "completed": None,
            "status": "running",
            "stages": tuple(sorted(event["Stage IDs"])),
        }
        for info in infos:
            self.named.setdefault(info["Stage ID"], info)

    def job_end(self, event: Mapping[str, Any]) -> None:
        status = "succeeded" if event["Job Result"]["Result"] == "JobSucceeded" else "failed"
        self.jobs[event["Job ID"]].update(completed=event["Completion Time"] / 1e3, status=status)

    def stage_submitted(self, event: Mapping[str, Any]) -> None:
        self._stage(event["Stage Info"])

    def stage_completed(self, event: Mapping[str, Any]) -> None:
        info = event["Stage Info"]
        status = "failed" if "Failure Reason" in info else "complete"
        self._stage(info).update(completed=_milli(info.get("Completion Time")), status=status)

    def task_end(self, event: Mapping[str, Any]) -> None:
        stage = self.stages[event["Stage ID"], event["Stage Attempt ID"]]
        if event["Task End Reason"]["Reason"] not in _NOT_FAILED:
            stage["failed_tasks"] += 1
        for name, value in _task_numbers(event.get("Task Metrics") or {}).items():
            stage[name] = max(stage[name], value) if name.startswith("peak") else stage[name] + value

    def work(self) -> SparkWork:
        of_stage: dict[int, dict[str, Any]] = {}
        for _, job in sorted(self.jobs.items()):
            for stage in job["stages"]:
                of_stage.setdefault(stage, job)
        stages = dict(self.stages)
        run = {stage for stage, _ in stages}
        for number, info in self.named.items():
            if number not in run:
                status = "pending" if of_stage.get(number, {}).get("status") == "running" else "skipped"
                stages[number, 0] = {**_new_stage(info), "submitted": None, "status": status}
        return SparkWork(
            tuple(SparkJob(job=number, phase=None, **values) for number, values in sorted(self.jobs.items())),
            tuple(
                SparkStage(
                    stage, attempt, job_group=of_stage.get(stage, {}).get("job_group"), phase=None, **_in_units(values)
                )
                for (stage, attempt), values in sorted(stages.items())
            ),
        )

    def _stage(self, info: Mapping[str, Any]) -> dict[str, Any]:
        return self.stages.setdefault((info["Stage ID"], info["Stage Attempt ID"]), _new_stage(info))


def _new_stage(info: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": info["Stage Name"],
        "status": "active",
        "submitted": _milli(info.get("Submission Time")),
        "completed": None,
        "tasks": info["Number of Tasks"],
        "failed_tasks": 0,
        **_task_numbers({}),
    }


def _task_numbers(metrics: Mapping[str, Any]) -> dict[str, int]:
    """A task's metrics by the names of SparkStage, times still in Spark's units, so that sums are exact."""

    def part(group: str, name: str) -> int:
        return int((metrics.get(group) or {}).get(name, 0))

    return {
        "executor_run_seconds": int(metrics.get("Executor Run Time", 0)),
        "executor_cpu_seconds": int(metrics.get("Executor CPU Time", 0)),
        "gc_seconds": int(metrics.get("JVM GC Time", 0)),
        "shuffle_read_bytes": part("Shuffle Read Metrics", "Remote Bytes Read")
        + part("Shuffle Read Metrics", "Local Bytes Read"),
        "shuffle_write_bytes": part("Shuffle Write Metrics", "Shuffle Bytes Written"),
        "memory_spill_bytes": int(metrics.get("Memory Bytes Spilled", 0)),
        "disk_spill_bytes": int(metrics.get("Disk Bytes Spilled", 0)),
        "peak_execution_memory_bytes": int(metrics.get("Peak Execution Memory", 0)),
        "input_bytes": part("Input Metrics", "Bytes Read"),
        "output_bytes": part("Output Metrics", "Bytes Written"),
    }


def _in_units(values: Mapping[str, Any]) -> dict[str, Any]:
    """Times in seconds: Spark gives run and GC time in milliseconds, CPU time in nanoseconds."""
    return {
        **values,
        "executor_run_seconds": values["executor_run_seconds"] / 1e3,
        "executor_cpu_seconds": values["executor_cpu_seconds"] / 1e9,
        "gc_seconds": values["gc_seconds"] / 1e3,
    }


def _milli(value: int | None) -> float | None:
    return None if value is None else value / 1e3
