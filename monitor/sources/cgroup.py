"""The tightest memory limit above a process, in the hierarchy of control groups, version 1 and 2; reading of /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from monitor.records import CgroupUsage

PROC = Path("/proc")
_NO_LIMIT = 1 << 60  # version 1 says "none" by the largest number of whole pages
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_rss", "total_cache"),
    2: ("memory.max", "memory.current", "anon", "file"),
}


@dataclass(frozen=True)
class ControlGroup:
    """A folder of the hierarchy and the version of its files."""

    folder: Path
    path: str
    version: int

    def limit_bytes(self) -> int | None:
        """Its own limit, None without one."""
        text = (self._read(_NAMES[self.version][0]) or b"max").strip()
        return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None

    def usage(self) -> CgroupUsage | None:
        """What it holds now, anonymous memory apart from page cache (which the kernel drops before it kills)."""
        _, used, anonymous, cache = _NAMES[self.version]
        text = self._read(used)
        if text is None:
            return None
        parts = dict(line.split()[:2] for line in (self._read("memory.stat") or b"").splitlines())
        return CgroupUsage(
            self.limit_bytes(), int(text), int(parts.get(anonymous.encode(), 0)), int(parts.get(cache.encode(), 0)),
            self.path,
        )  # fmt: skip

    def _read(self, name: str) -> bytes | None:
        return read_file(f"{self.folder}/{name}", whole=True)


def find_group(pid: int, proc: Path = PROC, base: Path = Path("/")) -> ControlGroup | None:
    """The group with the tightest limit from the process' own upwards; without any limit its own, or None.

    Folders are those of `proc`/self/mountinfo below `base`. In a container only what is mounted can be seen.
    """
    found = _own_group(pid, proc, base)
    if found is None:
        return None
    top, own, version = found
    groups = []
    folder = own
    while True:
        inside = os.path.relpath(folder, top)
        groups.append(ControlGroup(folder, "/" if inside == "." else f"/{inside}", version))
        if folder == top:
            break
        folder = folder.parent
    limited = [(limit, -depth, group) for depth, group in enumerate(groups) if (limit := group.limit_bytes())]
    if limited:
        # of two equal limits the higher group's: it holds the lower one's memory and more
        return min(limited, key=lambda ranked: ranked[:2])[2]
    return next((group for group in groups if group.usage()), None)


def _own_group(pid: int, proc: Path, base: Path) -> tuple[Path, Path, int] | None:
    """The mounted top of the memory hierarchy, the process' folder in it, and the version."""
    paths: dict[int, str] = {}
    for line in (read_file(f"{proc}/{pid}/cgroup", whole=True) or b"").decode().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            paths[1] = path
        elif number == "0" and not controllers:
            paths[2] = path
    mounts = _mounts(proc, base)
    for version in (1, 2):  # where both are mounted, memory belongs to version 1 if it has that controller at all
        if version in paths and version in mounts:
            root, top = mounts[version]
            inside = os.path.relpath(paths[version], root)
            own = top / inside
            # seen from within a container the path may be the host's, or climb out of what is mounted
            if inside.startswith("..") or not own.is_dir():
                own = top
            return top, own, version
    return None


def _mounts(proc: Path, base: Path) -> dict[int, tuple[str, Path]]:
    """By version: which part of the hierarchy is mounted, and where."""
    mounts: dict[int, tuple[str, Path]] = {}
    for line in (read_file(f"{proc}/self/mountinfo", whole=True) or b"").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            mounts.setdefault(2, (root, base / point.lstrip("/")))
        elif kind == "cgroup" and "memory" in options.split(","):
            mounts.setdefault(1, (root, base / point.lstrip("/")))
    return mounts


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
