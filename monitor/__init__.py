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
    from monitor.report import make_report

__all__ = [
    "MonitorError",
    "Recorder",
    "Sidecar",
    "make_report",
    "phase",
    "plot_losses",
    "read_phases",
    "read_samples",
    "record",
    "start_sidecar",
    "unfinished_phase",
]

_LATE = {"make_report": "monitor.report", "plot_losses": "monitor.plots"}


def __getattr__(name: str) -> Any:
    # the sidecar, which imports this package too, shall not carry what draws
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'monitor' has no attribute {name!r}")
