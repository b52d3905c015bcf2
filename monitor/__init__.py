"""What the phases of a run cost. Knows processes and phases; imports neither recsys nor pyspark nor tensorflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from monitor.errors import MonitorError
from monitor.phases import Recorder, phase, read_phases, record, unfinished_phase
from monitor.records import read_samples
from monitor.watch import Sidecar, start_sidecar

if TYPE_CHECKING:
    from monitor.compare import make_comparison
    from monitor.plots import plot_job, plot_losses
    from monitor.report.make import make_report
    from monitor.report.runfiles import RunFiles, read_run
    from monitor.spark.collect import SparkWork, collect_event_log, read_event_log
    from monitor.spark.graph import JobGraph, read_job_graphs
    from monitor.spark.hosts import ExecutorWatch, watch_executors
    from monitor.spark.rooms import executor_rooms

__all__ = [
    "ExecutorWatch",
    "JobGraph",
    "MonitorError",
    "Recorder",
    "RunFiles",
    "Sidecar",
    "SparkWork",
    "collect_event_log",
    "executor_rooms",
    "make_comparison",
    "make_report",
    "memory_room",
    "phase",
    "plot_job",
    "plot_losses",
    "read_event_log",
    "read_job_graphs",
    "read_phases",
    "read_run",
    "read_samples",
    "record",
    "start_sidecar",
    "unfinished_phase",
    "watch_executors",
]

_LATE = {
    "ExecutorWatch": "monitor.spark.hosts",
    "JobGraph": "monitor.spark.graph",
    "RunFiles": "monitor.report.runfiles",
    "SparkWork": "monitor.spark.collect",
    "collect_event_log": "monitor.spark.collect",
    "executor_rooms": "monitor.spark.rooms",
    "make_comparison": "monitor.compare",
    "make_report": "monitor.report.make",
    "memory_room": "monitor.sampling.room",
    "plot_job": "monitor.plots",
    "plot_losses": "monitor.plots",
    "read_event_log": "monitor.spark.collect",
    "read_job_graphs": "monitor.spark.graph",
    "read_run": "monitor.report.runfiles",
    "watch_executors": "monitor.spark.hosts",
}


def __getattr__(name: str) -> Any:
    # the sidecar, which imports this package too, shall not carry what it does not need
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'monitor' has no attribute {name!r}")
