"""What the phases of a run cost. Knows processes and phases; imports neither recsys nor pyspark nor tensorflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from monitor.errors import MonitorError
from monitor.phases import Recorder, phase, read_phases, record, unfinished_phase
from monitor.records import read_samples
from monitor.watch import Sidecar, start_sidecar

if TYPE_CHECKING:
    from monitor.plots import plot_losses
    from monitor.report.make import make_report
    from monitor.spark.collect import SparkWork, collect_event_log, read_event_log
    from monitor.spark.hosts import ExecutorWatch, watch_executors

__all__ = [
    "ExecutorWatch",
    "MonitorError",
    "Recorder",
    "Sidecar",
    "SparkWork",
    "collect_event_log",
    "make_report",
    "phase",
    "plot_losses",
    "read_event_log",
    "read_phases",
    "read_samples",
    "record",
    "start_sidecar",
    "unfinished_phase",
    "watch_executors",
]

_LATE = {
    "ExecutorWatch": "monitor.spark.hosts",
    "SparkWork": "monitor.spark.collect",
    "collect_event_log": "monitor.spark.collect",
    "make_report": "monitor.report.make",
    "plot_losses": "monitor.plots",
    "read_event_log": "monitor.spark.collect",
    "watch_executors": "monitor.spark.hosts",
}


def __getattr__(name: str) -> Any:
    # the sidecar, which imports this package too, shall not carry what it does not need
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'monitor' has no attribute {name!r}")
