"""What the sampler asks of a source of measurements: the protocol, and the records of one process.

A new source is one file with a class that has these methods, and one line in `monitor.sources.SOURCES`.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple, Protocol

from monitor.records import CgroupUsage, MachineUsage

PAGE_BYTES = mmap.PAGESIZE


class Stat(NamedTuple):
    """The counters of one process. Times are in ticks of the source (`Source.ticks_per_second`).

    Attributes:
        state: One letter as in proc(5); "Z" is a zombie.
        reaped_major_faults: Those of ended children that the process has waited for.
        reaped_cpu_ticks: As `reaped_major_faults`; 0 where the system does not add them up.
        start_ticks: When the process began, on any clock that all processes of the machine share.
        image: Two processes have the same non-zero image only if they were forked from one program without exec.
            (0, 0) where the source cannot tell.
    """

    pid: int
    name: str
    state: str
    parent_pid: int
    minor_faults: int
    major_faults: int
    reaped_major_faults: int
    cpu_ticks: int
    reaped_cpu_ticks: int
    threads: int
    start_ticks: int
    virtual_bytes: int
    rss_bytes: int
    image: tuple[int, int]

    @property
    def key(self) -> tuple[int, int]:
        """Pid and start: the same for this process only, never for a later process with its pid."""
        return self.pid, self.start_ticks

    @property
    def ended(self) -> bool:
        """Whether it is a zombie: its times still count, its memory is gone."""
        return self.state in "ZXx"


class Memory(NamedTuple):
    """Bytes of one process: proportional, unique (private) and resident set size."""

    pss_bytes: int
    uss_bytes: int
    rss_bytes: int


class MemoryGroup(Protocol):
    """A group of processes with a common memory limit."""

    def usage(self) -> CgroupUsage | None:
        """Its limit and what it holds now; None where that cannot be read."""


class Source(Protocol):
    """Reads the machine and its processes.

    Methods on a process return None (or an empty list) for one that has ended, and for what may not be read.
    """

    ticks_per_second: int
    pss: bool
    """Whether `memory` gives the proportional set size. If not, the RSS stands for it and `memory` is not called."""

    @classmethod
    def is_available(cls) -> bool:
        """Whether this source works on this system."""

    def pids(self) -> set[int]:
        """All processes of the machine."""

    def last_pid(self) -> int | None:
        """The pid that the machine gave out last; None where it does not say."""

    def stat(self, pid: int) -> Stat | None:
        """The process' counters."""

    def command(self, pid: int) -> list[str]:
        """Its command line; empty for a zombie and for a kernel thread."""

    def io(self, pid: int) -> tuple[int, int] | None:
        """Bytes read from and written to disks."""

    def switches(self, pid: int) -> int | None:
        """Context switches."""

    def memory(self, pid: int) -> Memory | None:
        """Its memory, where `pss` is true.

        Raises:
            PermissionError: The process is another user's.
        """

    def machine(self) -> MachineUsage:
        """The machine now; counts are those since the call before, and the first call has no CPU percentages."""

    def memory_bytes(self) -> tuple[int, int]:
        """The machine's physical memory and what of it is available; (0, 0) where unknown."""

    def memory_group(self, pid: int) -> MemoryGroup | None:
        """The group with the tightest memory limit above the process; None where there are no such groups."""

    def boot_id(self) -> str:
        """Differs after each boot, so that monotonic clocks of two boots are not compared; "" where unknown."""
