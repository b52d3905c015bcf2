"""What Spark knows of its own work, and sidecars beside its executors. pyspark is imported in functions alone."""

from monitor.spark.collect import collect_event_log, read_event_log
from monitor.spark.graph import JobGraph, read_job_graphs
from monitor.spark.headroom import ExecutorHeadroom, executor_headroom
from monitor.spark.hosts import ExecutorWatch, watch_executors
from monitor.spark.work import SparkJob, SparkStage, SparkWork

__all__ = [
    "ExecutorHeadroom", "ExecutorWatch", "JobGraph", "SparkJob", "SparkStage", "SparkWork", "collect_event_log",
    "executor_headroom", "read_event_log", "read_job_graphs", "watch_executors",
]  # fmt: skip
