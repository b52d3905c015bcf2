"""Single processes as Linux tells of them in /proc/PID: parsing of its files, and reading them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
Parsed = TypeVar("Parsed")


class Stat(NamedTuple):
    """/proc/PID/stat: times in clock ticks, `reaped` ones are those of ended children that were waited for."""

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
    """Where stack and arguments begin, which exec draws anew: the same in two processes only after a plain fork."""

    @property
    def key(self) -> tuple[int, int]:
        """What names this process and no later one with the same pid."""
        return self.pid, self.start_ticks

    @property
    def ended(self) -> bool:
        """A zombie: its times still stand, its memory is gone."""
        return self.state in "ZXx"


class Memory(NamedTuple):
    """Bytes of one process: proportional, unique (private) and resident set size."""

    pss_bytes: int
    uss_bytes: int
    rss_bytes: int


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


class Processes:
    """Reads /proc. Methods return None for a process that went away, and mostly for what may not be read."""

    def __init__(self, root: Path = PROC) -> None:
        self.root = root
        self._base = f"{root}/"

    def pids(self) -> set[str]:
        """The entries of /proc; some are no processes."""
        return set(os.listdir(self._base))

    def last_pid(self) -> int | None:
        """The pid that was given out last, on the whole machine."""
        text = read_file(f"{self._base}loadavg")
        return int(text.split()[-1]) if text else None

    def stat(self, pid: int | str) -> Stat | None:
        """The process' counters."""
        text = read_file(f"{self._base}{pid}/stat")
        return _parsed(parse_stat, text)

    def io(self, pid: int) -> tuple[int, int] | None:
        """Bytes read from and written to disks."""
        text = read_file(f"{self._base}{pid}/io")
        return _parsed(parse_io, text)

    def switches(self, pid: int) -> int | None:
        """Context switches of its main thread."""
        text = read_file(f"{self._base}{pid}/schedstat")
        return _parsed(parse_switches, text)

    def command(self, pid: int) -> list[str]:
        """Its command line; empty for a zombie and for a kernel thread."""
        text = read_file(f"{self._base}{pid}/cmdline", whole=True) or b""
        return text.decode(errors="replace").rstrip("\0").split("\0") if text else []

    def memory(self, pid: int) -> Memory | None:
        """Its memory; costs the kernel a walk over all its pages (some 6 ms a GB). PermissionError if not ours."""
        text = read_file(f"{self._base}{pid}/smaps_rollup", refusable=True)
        return _parsed(parse_rollup, text)


def _parsed(parse: Callable[[bytes], Parsed], text: bytes | None) -> Parsed | None:
    """None also for what another kernel may write in another form: one odd file must not spoil a sample."""
    try:
        return parse(text) if text else None
    except (ValueError, IndexError):
        return None


def read_file(path: str, *, whole: bool = False, refusable: bool = False) -> bytes | None:
    """A file's text, None where there is none to be had; without `whole` one read: a record of /proc fits in it.

    PermissionError only if `refusable`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, 8192)
            while whole and (more := os.read(descriptor, 65536)):
                text += more
            return text
        finally:
            os.close(descriptor)
    except PermissionError:
        if refusable:
            raise
        return None
    except OSError:  # also ESRCH: it ended between opening and reading
        return None
