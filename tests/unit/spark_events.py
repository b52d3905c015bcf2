"""Spark's events, made by hand, with as much in them as is read."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]


def stage_info(stage: int, tasks: int, attempt: int = 0, **more: Any) -> Event:
    return {
        "Stage ID": stage, "Stage Attempt ID": attempt, "Stage Name": f"stage {stage}", "Number of Tasks": tasks,
        "Details": "", **more,
    }  # fmt: skip


def job_start(job: int, at: int, *infos: Event, group: str | None = None) -> Event:
    """Submitted at so many milliseconds."""
    properties = {"spark.jobGroup.id": group} if group else {}
    return {
        "Event": "SparkListenerJobStart", "Job ID": job, "Submission Time": at, "Stage Infos": list(infos),
        "Stage IDs": [info["Stage ID"] for info in infos], "Properties": properties,
    }  # fmt: skip


def job_end(job: int, at: int, result: str = "JobSucceeded") -> Event:
    return {"Event": "SparkListenerJobEnd", "Job ID": job, "Completion Time": at, "Job Result": {"Result": result}}


def stage_submitted(info: Event, at: int) -> Event:
    return {"Event": "SparkListenerStageSubmitted", "Stage Info": {**info, "Submission Time": at}, "Properties": {}}


def stage_completed(info: Event, begin: int, end: int, **more: Any) -> Event:
    times = {"Submission Time": begin, "Completion Time": end}
    return {"Event": "SparkListenerStageCompleted", "Stage Info": {**info, **times, **more}}


def task_end(stage: int, attempt: int = 0, reason: str = "Success", metrics: Event | None = None) -> Event:
    return {
        "Event": "SparkListenerTaskEnd", "Stage ID": stage, "Stage Attempt ID": attempt,
        "Task End Reason": {"Reason": reason}, "Task Info": {"Task ID": 1}, "Task Metrics": metrics,
    }  # fmt: skip


def metrics(run: int, cpu: int, gc: int, peak: int, **parts: int) -> Event:
    """Run and GC time in milliseconds, CPU time in nanoseconds, the rest in bytes."""
    return {
        "Executor Run Time": run, "Executor CPU Time": cpu, "JVM GC Time": gc, "Peak Execution Memory": peak,
        "Memory Bytes Spilled": parts.get("memory_spill", 0), "Disk Bytes Spilled": parts.get("disk_spill", 0),
        "Shuffle Read Metrics": {
            "Remote Bytes Read": parts.get("remote", 0), "Local Bytes Read": parts.get("local", 0),
        },
        "Shuffle Write Metrics": {"Shuffle Bytes Written": parts.get("written", 0)},
        "Input Metrics": {"Bytes Read": parts.get("input", 0)},
        "Output Metrics": {"Bytes Written": parts.get("output", 0)},
    }  # fmt: skip
