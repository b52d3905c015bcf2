"""What the phases of a run cost. Knows processes and phases; imports neither recsys nor pyspark nor tensorflow."""

from monitor.errors import MonitorError
from monitor.hosts import ExecutorWatch, watch_executors
from monitor.phases import Recorder, phase, read_phases, record, unfinished_phase
from monitor.plots import plot_losses
from monitor.records import read_samples
from monitor.spark import SparkWork, collect_event_log, read_event_log
from monitor.watch import Sidecar, start_sidecar

__all__ = [
    "ExecutorWatch",
    "MonitorError",
    "Recorder",
    "Sidecar",
    "SparkWork",
    "collect_event_log",
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
