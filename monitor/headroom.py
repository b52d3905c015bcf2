"""How much memory is left before the kernel has to kill something."""

from __future__ import annotations

import os
from dataclasses import dataclass

from monitor.errors import MonitorError
from monitor.sources import Source, open_source

MACHINE = "the machine's memory"
GROUP = "the memory limit of this control group (container)"


@dataclass(frozen=True)
class Headroom:
    """Memory that can still be taken.

    Attributes:
        left_bytes: What can still be taken.
        limit_bytes: The limit that this is left of.
        limited_by: What sets the limit, in words.
        group: The path of the control group that sets it; "" where it is the machine.
    """

    left_bytes: int
    limit_bytes: int
    limited_by: str
    group: str = ""


def memory_headroom(source: Source | None = None) -> Headroom | None:
    """What this process and others may still take, of the machine or of its control group, whichever has less.

    Args:
        source: Where that is read from; by default the first source that works on this system.

    Returns:
        The headroom, or None where the system does not say.
    """
    try:
        source = source or open_source()
    except MonitorError:
        return None
    total, available = source.memory_bytes()
    if not total:
        return None
    group = source.memory_group(os.getpid())
    usage = group.usage() if group else None
    if usage and usage.limit_bytes:
        left = usage.limit_bytes - usage.anonymous_bytes  # page cache is dropped before anything is killed
        if left < available:
            return Headroom(max(0, left), usage.limit_bytes, GROUP, usage.path)
    return Headroom(available, total, MACHINE)
