"""Where measurements come from: sources by name, the first one that works on this system being the default."""

from __future__ import annotations

import os
import platform
from importlib import import_module
from typing import cast

from monitor.errors import MonitorError
from monitor.sources.base import Memory, MemoryGroup, Source, Stat

__all__ = [
    "SOURCES",
    "Memory",
    "MemoryGroup",
    "Source",
    "Stat",
    "core_count",
    "host_name",
    "open_source",
    "source_name",
]

# name -> module:class, the preferred one first; a module is imported when its source is asked for
SOURCES = {
    "proc": "monitor.sources.proc:ProcSource",
    "psutil": "monitor.sources.psutil_source:PsutilSource",
}


def source_name() -> str | None:
    """The name of the first source that works on this system; None where there is none."""
    return next((name for name in SOURCES if _is_available(name)), None)


def open_source(name: str | None = None) -> Source:
    """A source of measurements.

    Args:
        name: A key of `SOURCES`; without it the first one that works on this system.

    Raises:
        MonitorError: The name is unknown, or the source does not work on this system.
    """
    if name is not None and name not in SOURCES:
        raise MonitorError(f"source {name!r}: unknown: name one of {', '.join(SOURCES)}")
    chosen = source_name() if name is None else name
    if chosen is None or not _is_available(chosen):
        raise MonitorError(f"source {chosen or 'for this system'}: does not work here: install psutil")
    return _class(chosen)()


def host_name() -> str:
    """The machine's name, as in phases.jsonl."""
    return platform.node()


def core_count() -> int:
    """Cores of the machine, not only those that this process may use."""
    return os.cpu_count() or 1


def _class(name: str) -> type[Source]:
    module, _, attribute = SOURCES[name].partition(":")
    return cast("type[Source]", getattr(import_module(module), attribute))


def _is_available(name: str) -> bool:
    try:
        return _class(name).is_available()
    except ImportError:
        return False
