"""How much memory is left before the kernel has to kill something."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.errors import MonitorError
from monitor.sampler.ledger import Key
from monitor.sampler.memory import MemoryReader
from monitor.sampler.tree import Tree
from monitor.sources import Memory, Source, Stat, open_source

MACHINE = "the machine's memory"
_LOOK_FRACTION = 0.01  # of one core, for reading memory of processes again
_NEAR_FRACTION = 0.9
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


class TreeMemory:
    """The memory of a process and all below it, as in a report: PSS, without the monitor's own processes.

    Args:
        root_pid: The root of the tree.
        outside_pid: A process that does not count though it may adopt orphans of the tree, such as a supervisor.
        source: Where measurements come from; by default the first source that works on this system.

    Raises:
        MonitorError: No source works on this system.
    """

    def __init__(self, root_pid: int, outside_pid: int = 0, source: Source | None = None) -> None:
        self._source = source or open_source()
        self._tree = Tree(root_pid, self._source, outside_pid)
        self._reader = MemoryReader(self._source.memory, _LOOK_FRACTION)

    def look(self) -> int:
        """Bytes at this moment, each process read anew; 0 where the root has ended."""
        return sum(memory.pss_bytes for memory in self._exact(self._processes()))

    def above(self, limit_bytes: int) -> int | None:
        """The bytes where they are more than the limit, else None. Far below it they are reckoned, which costs less."""
        processes = self._processes()
        reckoned = sum(memory.pss_bytes for memory in self._reader.measure(processes, time.monotonic()).values())
        if reckoned < _NEAR_FRACTION * limit_bytes:
            return None
        taken = sum(memory.pss_bytes for memory in self._exact(processes))
        return taken if taken > limit_bytes else None

    def _processes(self) -> dict[Key, Stat]:
        self._tree.look()
        return {key: member.stat for key, member in self._tree.members.items() if member.role != "sidecar"}

    def _exact(self, processes: Mapping[Key, Stat]) -> Iterator[Memory]:
        for stat in processes.values():
            try:
                memory = None if stat.ended else self._source.memory(stat.pid)
            except PermissionError:
                memory = Memory(stat.rss_bytes, stat.rss_bytes, stat.rss_bytes)
            if memory is not None:
                yield memory
