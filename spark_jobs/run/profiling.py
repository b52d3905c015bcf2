"""Connects a profiled job with the monitor: Spark's event log, job groups by phase, and sidecars on executor hosts."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from monitor.phases import read_phases
from monitor.records import SAMPLES, STAGES
from monitor.spark.collect import (
    EVENT_LOG,
    collect_event_log,
    join_to_phases,
    read_rest,
    without_own_jobs,
    write_spark_work,
)
from monitor.spark.eventlog import find_event_log, repack
from monitor.spark.hosts import ExecutorWatch, refresh_hosts, watch_executors

_COLLECT_SECONDS = 30.0  # samples are brought back at the end of a phase, no more often than this
_log = logging.getLogger("howdah")


class Profile:
    """The profile of one run. It never makes a job fail. Without an interval it does nothing."""

    def __init__(self, resources: Path, interval_seconds: float | None) -> None:
        self._resources, self._interval = resources, interval_seconds
        self._context: Any = None
        self._watch: ExecutorWatch | None = None
        self._log: tuple[Path, str] | None = None
        self._phases: list[str] = []
        self._collected = time.monotonic()

    def settings(self, given: Mapping[str, str]) -> dict[str, str]:
        """Spark properties: an event log in the run directory, unless the user has set that."""
        if self._interval is None or "spark.eventLog.enabled" in given:
            return {}
        folder = self._resources.resolve() / EVENT_LOG
        folder.mkdir(parents=True, exist_ok=True)
        return {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": folder.as_uri(),
            "spark.eventLog.compress": "true",
            "spark.eventLog.compression.codec": "zstd",
            "spark.eventLog.rolling.enabled": "false",
        }

    def begin(self, spark: Any) -> None:
        """Starts with a session: its jobs are grouped by phase, its executors are watched."""
        if self._interval is not None:
            self._context = spark.sparkContext
            self._log = _log_of(self._context)
            if not str(self._context.master).startswith("local["):
                self._try(lambda: self._watch_executors(spark))

    def hear(self, record: Mapping[str, Any]) -> None:
        """Takes note of a record of phases.jsonl."""
        if record["event"] == "start":
            self._phases.append(record["name"])
        elif self._phases:
            self._phases.pop()
        if self._context is not None and record.get("status") != "failed":
            self._try(self._label)
            if record["event"] == "end" and time.monotonic() - self._collected > _COLLECT_SECONDS:
                self._try(self._collect)

    def end(self) -> None:
        """Ends the watch, before the session ends."""
        if self._watch is not None:
            self._try(self._watch.stop)
        if self._context is not None and self._log is None and self._context.uiWebUrl:
            self._try(self._ask)
        self._context = self._watch = None

    def gather(self) -> None:
        """Collects Spark's event log, after the session has ended."""
        if self._interval is not None:
            logs = sorted(self._log[0].glob(f"*{self._log[1]}*")) if self._log else []
            gather(self._resources, logs[0] if logs else None)

    def _watch_executors(self, spark: Any) -> None:
        self._watch = watch_executors(spark, self._resources, self._interval or 0.5)

    def _ask(self) -> None:
        work = without_own_jobs(read_rest(self._context.uiWebUrl, self._context.applicationId))
        write_spark_work(self._resources, join_to_phases(work, read_phases(self._resources)))

    def _label(self) -> None:
        """Gives jobs of this thread the innermost phase as their group. The monitor's own jobs run in other threads."""
        name = self._phases[-1] if self._phases else None
        self._context.setLocalProperty("spark.jobGroup.id", name)
        self._context.setLocalProperty("spark.job.description", name)

    def _collect(self) -> None:
        if self._watch is not None:
            self._watch.collect()
        self._collected = time.monotonic()

    def _try(self, action: Any) -> None:
        try:
            action()
        except Exception as error:
            _log.debug(f"monitor: {type(error).__name__}: {error}")


def gather(resources: Path, log: Path | None = None) -> None:
    """Writes what Spark's event log and the sidecars recorded of a run that has ended, once.

    The default for `log` is the event log in the run directory. Never raises.
    """
    try:
        ours = resources / EVENT_LOG
        if (log or ours).exists() and not (resources / STAGES).exists():
            collect_event_log(resources, log or ours)
            if ours.exists():
                repack(find_event_log(ours))
        if list(resources.glob(f"{Path(SAMPLES).stem}*")):
            refresh_hosts(resources)
    except Exception as error:
        _log.debug(f"monitor: {type(error).__name__}: {error}")


def _log_of(context: Any) -> tuple[Path, str] | None:
    """Folder and name of the application's event log; None where this machine cannot read one."""
    settings = context.getConf()
    folder = urlsplit(settings.get("spark.eventLog.dir", "/tmp/spark-events"))
    if settings.get("spark.eventLog.enabled", "false").lower() != "true" or folder.scheme not in ("", "file"):
        return None
    return Path(unquote(folder.path)), str(context.applicationId)
