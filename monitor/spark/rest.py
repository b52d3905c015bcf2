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
    jobs = tuple(_job(one) for one in sorted(_get(f"{base}/jobs"), key=lambda one: one["jobId"]))
    groups: dict[int, str | None] = {}
    for job in jobs:
        for stage in job.stages:
            groups.setdefault(stage, job.job_group)
    found = sorted(_get(f"{base}/stages"), key=lambda one: (one["stageId"], one["attemptId"]))
    return SparkWork(jobs, tuple(_stage(one, groups.get(one["stageId"]), _peak(base, one)) for one in found))


def _job(one: dict[str, Any]) -> SparkJob:
    return SparkJob(
        job=one["jobId"],
        name=one["name"],
        job_group=one.get("jobGroup"),
        phase=None,
        submitted=_time(one.get("submissionTime")) or 0.0,
        completed=_time(one.get("completionTime")),
        status=one["status"].lower(),
        stages=tuple(sorted(one["stageIds"])),
    )


def _stage(one: dict[str, Any], job_group: str | None, peak_bytes: int) -> SparkStage:
    return SparkStage(
        stage=one["stageId"],
        attempt=one["attemptId"],
        name=one["name"],
        job_group=job_group,
        phase=None,
        status=one["status"].lower(),
        submitted=_time(one.get("submissionTime")),
        completed=_time(one.get("completionTime")),
        tasks=one["numTasks"],
        failed_tasks=one["numFailedTasks"],
        executor_run_seconds=one["executorRunTime"] / 1e3,
        executor_cpu_seconds=one["executorCpuTime"] / 1e9,
        gc_seconds=one.get("jvmGcTime", 0) / 1e3,
        shuffle_read_bytes=one["shuffleReadBytes"],
        shuffle_write_bytes=one["shuffleWriteBytes"],
        memory_spill_bytes=one["memoryBytesSpilled"],
        disk_spill_bytes=one["diskBytesSpilled"],
        peak_execution_memory_bytes=peak_bytes,
        input_bytes=one["inputBytes"],
        output_bytes=one["outputBytes"],
    )


def _peak(base: str, one: dict[str, Any]) -> int:
    """The largest peak of one task: the stage's own figure is the sum of its tasks' peaks."""
    total = int(one.get("peakExecutionMemory", 0))
    if not total or one["numTasks"] == 1:
        return total
    try:
        told = _get(f"{base}/stages/{one['stageId']}/{one['attemptId']}/taskSummary?quantiles=1.0")
        return int(told["peakExecutionMemory"][0])
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
