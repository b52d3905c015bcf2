"""Programs with a known cost: python burners.py NAME TRUTH ARGUMENTS..., which write what they used to a JSON file.

CPU seconds are the program's own os.times(), those of ended children included; bytes are what it allocated, on top
of what it held before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1 << 20


def burn(cpu_seconds: float) -> None:
    """Uses that much CPU time in this process."""
    end = time.process_time() + cpu_seconds
    while time.process_time() < end:
        sum(range(2000))


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a fork; its pid."""
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid


def used_seconds() -> float:
    """Of this process and of all children that it waited for."""
    return sum(os.times()[:4])


def held_bytes() -> int:
    """PSS of this process now."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def short(truth: Path, cpu_seconds: str, count: str) -> None:
    """CPU seconds spread over many processes, two at a time, each too short to be seen often."""
    share = float(cpu_seconds) / int(count)
    for _ in range(int(count) // 2):
        for pid in [in_child(lambda: burn(share)) for _ in range(2)]:
            os.waitpid(pid, 0)
    tell(truth, cpu_seconds=used_seconds())


def long(truth: Path, cpu_seconds: str) -> None:
    """A child that is seen many times, and has a child of its own, before both are reaped."""
    share = float(cpu_seconds) / 2

    def parent() -> None:
        pid = in_child(lambda: burn(share))
        burn(share)
        os.waitpid(pid, 0)

    os.waitpid(in_child(parent), 0)
    tell(truth, cpu_seconds=used_seconds())


def orphan(truth: Path, cpu_seconds: str) -> None:
    """A double fork: the grandchild works on under another parent, in a session of its own."""
    own = truth.with_suffix(".orphan")

    def grandchild() -> None:
        burn(float(cpu_seconds))
        tell(own, cpu_seconds=used_seconds())

    def middle() -> None:
        os.setsid()
        in_child(grandchild)

    os.waitpid(in_child(middle), 0)
    while not own.exists():
        time.sleep(0.02)
    time.sleep(0.2)  # until it has ended
    tell(truth, cpu_seconds=used_seconds() + json.loads(own.read_text())["cpu_seconds"])


def shared(truth: Path, megabytes: str, count: str, seconds: str) -> None:
    """Memory that forks share with their parent."""
    before = held_bytes()
    held = bytearray(b"x") * (int(megabytes) * MIB)
    children = [in_child(lambda: time.sleep(float(seconds))) for _ in range(int(count))]
    for pid in children:
        os.waitpid(pid, 0)
    tell(truth, pss_bytes=before + len(held))


def private(truth: Path, megabytes: str, count: str, seconds: str) -> None:
    """Memory that each fork has for itself."""
    before = held_bytes()

    def hold() -> None:
        held = bytearray(b"x") * (int(megabytes) * MIB)
        time.sleep(float(seconds))
        assert held

    for pid in [in_child(hold) for _ in range(int(count))]:
        os.waitpid(pid, 0)
    tell(truth, pss_bytes=before + int(count) * int(megabytes) * MIB)


def copied(truth: Path, megabytes: str, seconds: str) -> None:
    """Memory that is shared after a fork until the child writes into it: its RSS stays, its PSS grows."""
    before = held_bytes()
    held = bytearray(b"x") * (int(megabytes) * MIB)

    def write() -> None:
        time.sleep(float(seconds) / 2)
        held[:: os.sysconf("SC_PAGE_SIZE")] = b"y" * len(range(0, len(held), os.sysconf("SC_PAGE_SIZE")))
        time.sleep(float(seconds) / 2)

    os.waitpid(in_child(write), 0)
    tell(truth, pss_bytes=before + 2 * len(held))


def tell(truth: Path, **found: float) -> None:
    """Writes it whole."""
    temporary = truth.with_suffix(".tmp")
    temporary.write_text(json.dumps(found))
    temporary.replace(truth)


BURNERS = {one.__name__: one for one in (short, long, orphan, shared, private, copied)}

if __name__ == "__main__":
    BURNERS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
    os._exit(0)  # at once: what Python's own end takes is in no truth
