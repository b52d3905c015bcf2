"""The source of systems without /proc, such as macOS: time, CPU and RSS by psutil. It works on Linux too."""

from __future__ import annotations

import psutil

from monitor.records import MachineUsage
from monitor.sources.base import Memory, MemoryGroup, Stat

_LOOPBACKS = ("lo", "lo0")


class PsutilSource:
    """See `monitor.sources.base.Source`.

    There is no PSS, and no sign of a fork without exec: an orphan that nobody saw with its parent is not found. Where
    the system does not add up the CPU time of ended children (macOS), what a process used after the last look is lost.
    """

    ticks_per_second = 1_000_000
    pss = False

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}  # each knows the start of its process, and so a reused pid
        self._bytes: tuple[int, int, int, int] | None = None

    @classmethod
    def is_available(cls) -> bool:
        """Always: psutil was imported above."""
        return True

    def pids(self) -> set[int]:
        """All processes of the machine."""
        found = set(psutil.pids())
        self._processes = {pid: process for pid, process in self._processes.items() if pid in found}
        return found

    def last_pid(self) -> int | None:
        """Not known."""
        return None

    def stat(self, pid: int) -> Stat | None:
        """The process' counters; those of another user's process may be 0."""
        try:
            process = self._process(pid)
            with process.oneshot():
                return self._read(process)
        except psutil.Error:
            return None

    def command(self, pid: int) -> list[str]:
        """Its command line."""
        try:
            return self._process(pid).cmdline()
        except psutil.Error:
            return []

    def io(self, pid: int) -> tuple[int, int] | None:
        """Bytes read from and written to disks; None on macOS."""
        try:
            process = self._process(pid)
            if not hasattr(process, "io_counters"):
                return None
            counters = process.io_counters()
            return counters.read_bytes, counters.write_bytes
        except psutil.Error:
            return None

    def switches(self, pid: int) -> int | None:
        """Context switches, voluntary and not."""
        try:
            return sum(self._process(pid).num_ctx_switches())
        except psutil.Error:
            return None

    def memory(self, pid: int) -> Memory | None:
        """Not known: the RSS of `stat` stands for it."""
        return None

    def machine(self) -> MachineUsage:
        """The machine now. CPU percentages need two calls."""
        first = self._bytes is None
        percent = psutil.cpu_percent(percpu=True)
        total, available = self.memory_bytes()
        counts = (*_disk_bytes(), *_network_bytes())
        before = self._bytes or counts
        self._bytes = counts
        return MachineUsage(
            None if first else round(sum(percent) / max(len(percent), 1), 1), None if first else tuple(percent),
            total - available, available,
            *(max(0, now - then) for now, then in zip(counts, before, strict=True)),
        )  # fmt: skip

    def memory_bytes(self) -> tuple[int, int]:
        """Total and available bytes of the machine."""
        memory = psutil.virtual_memory()
        return memory.total, memory.available

    def memory_group(self, pid: int) -> MemoryGroup | None:
        """There are none."""
        return None

    def boot_id(self) -> str:
        """The second of the boot."""
        return str(round(psutil.boot_time()))

    def _process(self, pid: int) -> psutil.Process:
        known = self._processes.get(pid)
        if known is None or not known.is_running():
            known = self._processes[pid] = psutil.Process(pid)
        return known

    def _read(self, process: psutil.Process) -> Stat:
        parent, started = process.ppid(), round(process.create_time() * self.ticks_per_second)
        state, own, reaped, threads, rss, virtual, faults = "S", 0, 0, 1, 0, 0, 0
        try:
            state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "S"
            times, memory, threads = process.cpu_times(), process.memory_info(), process.num_threads()
            own = round((times.user + times.system) * self.ticks_per_second)
            reaped = round((times.children_user + times.children_system) * self.ticks_per_second)
            rss, virtual, faults = memory.rss, memory.vms, getattr(memory, "pfaults", 0)
        except psutil.ZombieProcess:
            state = "Z"
        except psutil.AccessDenied:
            pass  # another user's: its parent is still known
        return Stat(
            pid=process.pid,
            name=process.name(),
            state=state,
            parent_pid=parent,
            minor_faults=faults,
            major_faults=0,
            reaped_major_faults=0,
            cpu_ticks=own,
            reaped_cpu_ticks=reaped,
            threads=threads,
            start_ticks=started,
            virtual_bytes=virtual,
            rss_bytes=rss,
            image=(0, 0),
        )


def _disk_bytes() -> tuple[int, int]:
    counters = psutil.disk_io_counters()
    return (counters.read_bytes, counters.write_bytes) if counters else (0, 0)


def _network_bytes() -> tuple[int, int]:
    cards = [card for name, card in psutil.net_io_counters(pernic=True).items() if name not in _LOOPBACKS]
    return sum(card.bytes_sent for card in cards), sum(card.bytes_recv for card in cards)
