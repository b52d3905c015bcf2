"""The machine as Linux tells of it in /proc: cores, memory, disks, network."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from monitor.records import MachineUsage
from monitor.sampling.procfs import PROC, read_file

_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own


def boot_id(proc: Path = PROC) -> str:
    """Differs after each boot, so that monotonic clocks of two boots are not compared; "" where unknown."""
    return (read_file(f"{proc}/sys/kernel/random/boot_id") or b"").decode().strip()


def memory_total_bytes(proc: Path = PROC) -> int:
    """The machine's physical memory."""
    return parse_meminfo(read_file(f"{proc}/meminfo", whole=True) or b"")[0]


def parse_meminfo(text: bytes) -> tuple[int, int]:
    """Total and available bytes of /proc/meminfo."""
    numbers = {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (one.partition(b":") for one in text.splitlines())
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
        user, nice, system, idle, waiting, interrupt, soft, stolen = (int(one) for one in (*rest, *[b"0"] * 8)[:8])
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
    return {one.name for one in folder.iterdir() if (one / "device").exists()} if folder.is_dir() else set()


class Machine:
    """Looks at the machine again and again; counts are those since the look before."""

    def __init__(self, proc: Path = PROC, sys: Path = Path("/sys")) -> None:
        self._proc = proc
        self._disks = real_disks(sys)
        self._cores: dict[str, tuple[int, int]] = {}
        self._bytes: tuple[int, int, int, int] | None = None

    def sample(self) -> MachineUsage:
        """The machine now. A share of cores needs two looks: the first has None, where others report a false 0."""
        cores = parse_cores(self._read("stat"))
        shares = {name: _percent(self._cores.get(name), now) for name, now in cores.items()}
        per_core = [share for name, share in shares.items() if name != "cpu"]
        known = [share for share in per_core if share is not None]
        total, available = parse_meminfo(self._read("meminfo"))
        counts = (*parse_disks(self._read("diskstats"), self._disks), *parse_network(self._read("net/dev")))
        before = self._bytes or counts
        self._cores, self._bytes = cores, counts
        return MachineUsage(
            shares.get("cpu"), tuple(known) if known and len(known) == len(per_core) else None,
            total - available, available,
            *(max(0, now - then) for now, then in zip(counts, before, strict=True)),
        )  # fmt: skip

    def _read(self, name: str) -> bytes:
        return read_file(f"{self._proc}/{name}", whole=True) or b""


def _percent(before: tuple[int, int] | None, now: tuple[int, int]) -> float | None:
    if before is None:
        return None
    ticks = now[1] - before[1]
    # two looks within a tick: nothing is known of the time between
    return round(min(100.0, max(0.0, 100 * (now[0] - before[0]) / ticks)), 1) if ticks > 0 else 0.0


def cores() -> int:
    """Cores of the machine (not only those that this process may use)."""
    return os.cpu_count() or 1


def host() -> str:
    """The machine's name, as in phases.jsonl."""
    return platform.node()
