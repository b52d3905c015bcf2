"""Jobs and stages from Spark's status REST API, while the application (or a history server) runs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from monitor.errors import MonitorError
from monitor.spark.work import SparkJob, SparkStage, SparkWork

_SECONDS = 10  # that an answer may take


def read_rest(url: str, application: str | None = None) -> SparkWork:
    """Jobs and stages from the UI at `url` (http://HOST:PORT), not joined to phases; MonitorError without an answer.

    The application is the one that the UI belongs to, or the newest of a history server, if not named. The UI keeps the
    last thousand jobs and stages (spark.ui.retainedJobs, retainedStages); an event log keeps all.
    """
    from urllib.parse import quote

    base = f"{url.rstrip('/')}/api/v1/applications"
    if application is None:
        known = _get(base)
        if not known:
            raise MonitorError(f"{url}: knows no application: name the address of a running application's UI")
        application = str(known[0]["id"])
    base = f"{base}/{quote(application)}"
    jobs = tuple(_job(entry) for entry in sorted(_get(f"{base}/jobs"), key=lambda job: job["jobId"]))
    groups: dict[int, str | None] = {}
    for job in jobs:
        for stage in job.stages:
            groups.setdefault(stage, job.job_group)
    found = sorted(_get(f"{base}/stages"), key=lambda entry: (entry["stageId"], entry["attemptId"]))
    return SparkWork(jobs, tuple(_stage(entry, groups.get(entry["stageId"]), _peak(base, entry)) for entry in found))


def _job(entry: dict[str, Any]) -> SparkJob:
    return SparkJob(
        job=entry["jobId"],
        name=entry["name"],
        job_group=entry.get("jobGroup"),
        phase=None,
        submitted=_time(entry.get("submissionTime")) or 0.0,
        completed=_time(entry.get("completionTime")),
        status=entry["status"].lower(),
        stages=tuple(sorted(entry["stageIds"])),
    )


def _stage(entry: dict[str, Any], job_group: str | None, peak_bytes: int) -> SparkStage:
    return SparkStage(
        stage=entry["stageId"],
        attempt=entry["attemptId"],
        name=entry["name"],
        job_group=job_group,
        phase=None,
        status=entry["status"].lower(),
        submitted=_time(entry.get("submissionTime")),
        completed=_time(entry.get("completionTime")),
        tasks=entry["numTasks"],
        failed_tasks=entry["numFailedTasks"],
        executor_run_seconds=entry["executorRunTime"] / 1e3,
        executor_cpu_seconds=entry["executorCpuTime"] / 1e9,
        gc_seconds=entry.get("jvmGcTime", 0) / 1e3,
        shuffle_read_bytes=entry["shuffleReadBytes"],
        shuffle_write_bytes=entry["shuffleWriteBytes"],
        memory_spill_bytes=entry["memoryBytesSpilled"],
        disk_spill_bytes=entry["diskBytesSpilled"],
        peak_execution_memory_bytes=peak_bytes,
        input_bytes=entry["inputBytes"],
        output_bytes=entry["outputBytes"],
    )


def _peak(base: str, entry: dict[str, Any]) -> int:
    """The largest peak of one task: the stage's own figure is the sum of its tasks' peaks."""
    total = int(entry.get("peakExecutionMemory", 0))
    if not total or entry["numTasks"] == 1:
        return total
    try:
        summary = _get(f"{base}/stages/{entry['stageId']}/{entry['attemptId']}/taskSummary?quantiles=1.0")
        return int(summary["peakExecutionMemory"][0])
    except (MonitorError, KeyError, IndexError):  # no task has ended yet
        return 0


def _get(url: str) -> Any:
    from urllib.error import URLError
    from urllib.request import urlopen  # late: it costs as much as all other imports of the monitor

    try:
        with urlopen(url, timeout=_SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        why = error.reason if isinstance(error, URLError) else error
        raise MonitorError(f"{url}: no answer ({why}): does it run, with spark.ui.enabled=true?") from None


def _time(text: str | None) -> float | None:
    """Epoch seconds of a time such as 2025-01-31T12:00:00.250GMT."""
    return None if text is None else datetime.fromisoformat(text.replace("GMT", "+00:00")).timestamp()
