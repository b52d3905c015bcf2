"""How much memory is left before the kernel has to kill something."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from monitor.sampling.cgroup import find_group
from monitor.sampling.machine import parse_meminfo
from monitor.sampling.procfs import PROC, read_file

MACHINE = "the machine's memory"


@dataclass(frozen=True)
class Room:
    """Bytes that can still be taken, of how many in all, whose limit that is, and of a control group its path."""

    left: int
    limit: int
    whose: str
    group: str = ""


def memory_room(proc: Path = PROC, base: Path = Path("/")) -> Room | None:
    """What this process and others may still take: of the machine, or of its control group where that has less; None
    where the kernel does not say."""
    total, available = parse_meminfo(read_file(f"{proc}/meminfo", whole=True) or b"")
    if not total:
        return None
    room = Room(available, total, MACHINE)
    group = find_group(os.getpid(), proc, base)
    usage = group.usage() if group else None
    if usage and usage.limit_bytes:
        left = usage.limit_bytes - usage.anonymous_bytes  # page cache is dropped before anything is killed
        if left < room.left:
            whose = "the memory limit of this control group (container)"
            return Room(max(0, left), usage.limit_bytes, whose, usage.path)
    return room
