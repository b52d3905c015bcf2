"""How much memory is left where a session's executors are."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from monitor.sampling.machine import host
from monitor.sampling.procfs import PROC, read_file
from monitor.sampling.room import Room, memory_room
from monitor.spark.aside import ask_executors
from monitor.spark.executor import find_executor

_HOLD_SECONDS = 0.05  # that a task takes at least, so that a quick executor does not do all of them
_TASKS_EACH = 2
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Shared:
    """Executors that take from the same memory, and by how much the heap of one may still grow."""

    host: str
    executors: int
    room: Room
    heap_growth_bytes: int = 0


class Answer(NamedTuple):
    """What one executor says."""

    executor: str
    shared: Shared | None  # by itself; None where the kernel does not say what is left


def executor_rooms(context: Any, executors: int) -> list[Shared]:
    """Of the executors that were met, about so many being there, in the order of their hosts.

    Left out are those to whom none of a few tasks fell, and hosts whose kernel does not say.
    """
    return by_memory(ask_executors(context, look, _TASKS_EACH * executors)[1])


def look(_: Iterator[int]) -> Iterator[Answer]:
    """In a task: whose it is, and what is left."""
    jvm, executor, _above = find_executor(os.getpid())
    time.sleep(_HOLD_SECONDS)
    room = memory_room()
    yield Answer(executor or f"{host()} {jvm}", Shared(host(), 1, room, heap_growth(jvm)) if room else None)


def heap_growth(pid: int) -> int:
    """By how much the heap of that JVM may still grow, at least: its -Xmx less all that it has now; 0 without one."""
    words = (read_file(f"{PROC}/{pid}/cmdline", whole=True) or b"").decode(errors="replace").split("\0")
    limits = [found for word in words if (found := re.fullmatch(r"-Xmx(\d+)([kmgKMG]?)", word))]
    pages = (read_file(f"{PROC}/{pid}/statm") or b"0 0").split()
    if not limits:
        return 0
    number, unit = limits[-1].groups()  # the last one counts
    return max(0, int(number) * _UNITS.get(unit.lower(), 1) - int(pages[1]) * os.sysconf("SC_PAGE_SIZE"))


def by_memory(answers: Iterable[Answer]) -> list[Shared]:
    """Together those of one machine, or of one control group on it where that is what limits them."""
    together: dict[tuple[str, str], Shared] = {}
    for _, one in sorted(dict(answers).items()):
        if one is None:
            continue
        key = (one.host, one.room.group)
        before = together.get(key, replace(one, executors=0))
        least = min(one.room, before.room, key=lambda room: room.left)
        growth = max(one.heap_growth_bytes, before.heap_growth_bytes)
        together[key] = Shared(one.host, before.executors + one.executors, least, growth)
    return [together[key] for key in sorted(together)]
