"""A /proc of files, whose processes do what a test says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

PAGE = 4096
MACHINE = {
    "stat": "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\nintr 5 0\n",
    "meminfo": "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  400 kB\n",
    "diskstats": "",
    "net/dev": "Inter-|\n face |\n",
    "sys/kernel/random/boot_id": "boot-1\n",
    "self/smaps_rollup": "rollup\n",
}


class FakeProc:
    """Processes by pid; `set` makes or changes one, and `end` takes it away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[int, dict[str, Any]] = {}
        for name, text in MACHINE.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def set(self, pid: int, **changes: Any) -> None:
        """Keys: name, state, parent, start, cpu, reaped, faults (major), threads, rss, image, command, io, pss, uss."""
        known = self._known.setdefault(
            pid,
            {
                "name": "python3", "state": "S", "parent": 1, "start": pid, "cpu": 0, "reaped": 0, "faults": 0,
                "reaped_faults": 0, "threads": 1, "rss": 100 * PAGE, "image": pid, "command": ["python3", "job.py"],
                "io": (0, 0), "pss": 100 * PAGE, "uss": 100 * PAGE, "switches": 0,
            },
        )  # fmt: skip
        known |= changes
        one = known
        fields = ["0"] * 50
        for place, value in {
            0: one["state"], 1: one["parent"], 9: one["faults"], 10: one["reaped_faults"], 11: one["cpu"],
            13: one["reaped"], 17: one["threads"], 19: one["start"], 20: 1 << 30, 21: one["rss"] // PAGE,
            25: one["image"], 45: one["image"],
        }.items():  # fmt: skip
            fields[place] = str(value)
        self.write(f"{pid}/stat", f"{pid} ({one['name']}) {' '.join(fields)}\n")
        self.write(f"{pid}/cmdline", "".join(f"{word}\0" for word in one["command"]))
        self.write(
            f"{pid}/io",
            f"rchar: 9\nwchar: 9\nsyscr: 1\nsyscw: 1\nread_bytes: {one['io'][0]}\nwrite_bytes: {one['io'][1]}\n"
            "cancelled_write_bytes: 0\n",
        )
        self.write(f"{pid}/schedstat", f"1 2 {one['switches']}\n")
        self.write(
            f"{pid}/smaps_rollup",
            f"0-1 ---p 0 00:00 0 [rollup]\nRss: {one['rss'] // 1024} kB\nPss: {one['pss'] // 1024} kB\n"
            f"Private_Clean: 0 kB\nPrivate_Dirty: {one['uss'] // 1024} kB\n",
        )

    def end(self, pid: int) -> None:
        self._known.pop(pid)
        shutil.rmtree(self.root / str(pid))
