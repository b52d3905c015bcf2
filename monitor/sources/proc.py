"""The source of Linux: single processes and the machine as /proc describes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from monitor.records import MachineUsage
from monitor.sources.base import PAGE_BYTES, Memory, Stat
from monitor.sources.cgroup import PROC, ControlGroup, find_group, read_file

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
Parsed = TypeVar("Parsed")


def parse_stat(text: bytes) -> Stat:
    """Parses /proc/PID/stat. The name may hold blanks and brackets: it ends at the last bracket of the line."""
    begin, end = text.index(b"("), text.rindex(b")")
    part = text[end + 2 :].split()  # part[0] is field 3 of proc(5)
    return Stat(
        pid=int(text[:begin]),
        name=text[begin + 1 : end].decode(errors="replace"),
        state=part[0].decode(),
        parent_pid=int(part[1]),
        minor_faults=int(part[7]),
        major_faults=int(part[9]),
        reaped_major_faults=int(part[10]),
        cpu_ticks=int(part[11]) + int(part[12]),
        reaped_cpu_ticks=int(part[13]) + int(part[14]),
        threads=int(part[17]),
        start_ticks=int(part[19]),
        virtual_bytes=int(part[20]),
        rss_bytes=int(part[21]) * PAGE_BYTES,
        image=(int(part[25]), int(part[45]) if len(part) > 45 else 0),
    )


def parse_io(text: bytes) -> tuple[int, int]:
    """Bytes read from and written to disks, of /proc/PID/io; like the kernel's, with those of reaped children."""
    part = text.split()
    # what was written into the page cache and deleted before it reached a disk was never written
    return int(part[9]), max(0, int(part[11]) - int(part[13]))


def parse_switches(text: bytes) -> int:
    """How often the process' main thread was put on a core, of /proc/PID/schedstat."""
    return int(text.split()[2])


def parse_rollup(text: bytes) -> Memory:
    """Bytes of /proc/PID/smaps_rollup."""
    pss = uss = rss = 0
    for line in text.splitlines():
        name, _, rest = line.partition(b":")
        if name == b"Pss":
            pss = _bytes(rest)
        elif name == b"Rss":
            rss = _bytes(rest)
        elif name in (b"Private_Clean", b"Private_Dirty"):
            uss += _bytes(rest)
    return Memory(pss, uss, rss)


def _bytes(rest: bytes) -> int:
    return int(rest.split()[0]) * 1024


def _parsed(parse: Callable[[bytes], Parsed], text: bytes | None) -> Parsed | None:
    """None also for what another kernel may write in another form: one odd file must not spoil a sample."""
    try:
        return parse(text) if text else None
    except (ValueError, IndexError):
        return None


_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own


def parse_meminfo(text: bytes) -> tuple[int, int]:
    """Total and available bytes of /proc/meminfo."""
    numbers = {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(b":") for line in text.splitlines())
    }
    total = numbers.get(b"MemTotal", 0)
    return total, numbers.get(b"MemAvailable", numbers.get(b"MemFree", 0))


def parse_cores(text: bytes) -> dict[str, tuple[int, int]]:
    """Busy and all clock ticks of each core, of /proc/stat; "cpu" is their sum. Waiting and stolen time is not busy."""
    cores = {}
    for line in text.splitlines():
        if not line.startswith(b"cpu"):
            break
        name, *rest = line.split()
        user, nice, system, idle, waiting, interrupt, soft, stolen = (
            int(number) for number in (*rest, *[b"0"] * 8)[:8]
        )
        busy = user + nice + system + interrupt + soft
        cores[name.decode()] = busy, busy + idle + waiting + stolen
    return cores


def parse_disks(text: bytes, real: set[str]) -> tuple[int, int]:
    """Bytes read from and written to the `real` disks since boot, of /proc/diskstats."""
    read = written = 0
    for line in text.splitlines():
        part = line.split()
        if part[2].decode() in real:
            read += int(part[5]) * _SECTOR_BYTES
            written += int(part[9]) * _SECTOR_BYTES
    return read, written


def parse_network(text: bytes) -> tuple[int, int]:
    """Bytes sent and received by all interfaces but the loopback, of /proc/net/dev."""
    sent = received = 0
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(b":")
        if name.strip() != b"lo":
            part = rest.split()
            received += int(part[0])
            sent += int(part[8])
    return sent, received


def real_disks(sys: Path = Path("/sys")) -> set[str]:
    """Disks with a device behind them: partitions, RAID and the like would count the same bytes again."""
    folder = sys / "block"
    return {path.name for path in folder.iterdir() if (path / "device").exists()} if folder.is_dir() else set()


class ProcSource:
    """The source of Linux: /proc, /sys and the control groups. See `monitor.sources.base.Source`."""

    ticks_per_second = TICKS_PER_SECOND

    def __init__(self, root: Path = PROC, base: Path = Path("/")) -> None:
        """`root` stands for /proc, and `base` for the folder that /sys and the control groups are mounted below."""
        self.root = root
        self._path = f"{root}/"
        self._base = base
        self.pss = read_file(f"{root}/self/smaps_rollup") is not None
        self._disks = real_disks(base / "sys")
        self._cores: dict[str, tuple[int, int]] = {}
        self._bytes: tuple[int, int, int, int] | None = None

    @classmethod
    def is_available(cls) -> bool:
        """Whether there is a /proc as Linux has it."""
        return (PROC / "self" / "stat").exists()

    def pids(self) -> set[int]:
        """All processes of the machine."""
        return {int(name) for name in os.listdir(self._path) if name.isdigit()}

    def last_pid(self) -> int | None:
        """The pid that was given out last, on the whole machine."""
        text = read_file(f"{self._path}loadavg")
        return int(text.split()[-1]) if text else None

    def stat(self, pid: int) -> Stat | None:
        """The process' counters."""
        return _parsed(parse_stat, read_file(f"{self._path}{pid}/stat"))

    def command(self, pid: int) -> list[str]:
        """Its command line; empty for a zombie and for a kernel thread."""
        text = read_file(f"{self._path}{pid}/cmdline", whole=True) or b""
        return text.decode(errors="replace").rstrip("\0").split("\0") if text else []

    def io(self, pid: int) -> tuple[int, int] | None:
        """Bytes read from and written to disks, those of reaped children included."""
        return _parsed(parse_io, read_file(f"{self._path}{pid}/io"))

    def switches(self, pid: int) -> int | None:
        """Context switches of its main thread."""
        return _parsed(parse_switches, read_file(f"{self._path}{pid}/schedstat"))

    def memory(self, pid: int) -> Memory | None:
        """Its memory; costs the kernel a walk over all its pages (some 6 ms a GB). PermissionError if not ours."""
        return _parsed(parse_rollup, read_file(f"{self._path}{pid}/smaps_rollup", refusable=True))

    def machine(self) -> MachineUsage:
        """The machine now. CPU percentages need two calls: the first has None, where others report a false 0."""
        cores = parse_cores(self._read("stat"))
        busy = {name: _percent(self._cores.get(name), now) for name, now in cores.items()}
        per_core = [percent for name, percent in busy.items() if name != "cpu"]
        known = [percent for percent in per_core if percent is not None]
        total, available = self.memory_bytes()
        counts = (*parse_disks(self._read("diskstats"), self._disks), *parse_network(self._read("net/dev")))
        before = self._bytes or counts
        self._cores, self._bytes = cores, counts
        return MachineUsage(
            busy.get("cpu"), tuple(known) if known and len(known) == len(per_core) else None,
            total - available, available,
            *(max(0, now - then) for now, then in zip(counts, before, strict=True)),
        )  # fmt: skip

    def memory_bytes(self) -> tuple[int, int]:
        """Total and available bytes of the machine."""
        return parse_meminfo(self._read("meminfo"))

    def memory_group(self, pid: int) -> ControlGroup | None:
        """The control group with the tightest memory limit above the process."""
        return find_group(pid, self.root, self._base)

    def boot_id(self) -> str:
        """The kernel's own id of this boot."""
        return (read_file(f"{self._path}sys/kernel/random/boot_id") or b"").decode().strip()

    def _read(self, name: str) -> bytes:
        return read_file(f"{self._path}{name}", whole=True) or b""


def _percent(before: tuple[int, int] | None, now: tuple[int, int]) -> float | None:
    if before is None:
        return None
    ticks = now[1] - before[1]
    # two looks within a tick: nothing is known of the time between
    return round(min(100.0, max(0.0, 100 * (now[0] - before[0]) / ticks)), 1) if ticks > 0 else 0.0
