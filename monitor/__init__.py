"""What the phases of a run cost. Knows processes, phases and Spark; imports neither recsys nor pyspark.

This package records. What is recorded is read and shown by its parts: `monitor.report` (the report of a run),
`monitor.compare` (runs beside each other), `monitor.plots` and `monitor.spark` (Spark's own figures, executors).
They are imported by name, so that the sampling process does not carry them.
"""

from monitor.errors import MonitorError
from monitor.extensions import Card, Extension, Section
from monitor.headroom import Headroom, memory_headroom
from monitor.phases import Recorder, phase, read_phases, record, unfinished_phase
from monitor.records import read_samples
from monitor.sidecar import Sidecar, start_sidecar

__all__ = [
    "Card",
    "Extension",
    "Headroom",
    "MonitorError",
    "Recorder",
    "Section",
    "Sidecar",
    "memory_headroom",
    "phase",
    "read_phases",
    "read_samples",
    "record",
    "start_sidecar",
    "unfinished_phase",
]
