"""How much memory is left where a session's executors are."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from monitor.headroom import Headroom, memory_headroom
from monitor.sources import Source, host_name, open_source
from monitor.spark.executor import find_executor
from monitor.spark.executor_probe import ask_executors

if TYPE_CHECKING:
    from pyspark import SparkContext

_HOLD_SECONDS = 0.05  # that a task takes at least, so that a quick executor does not do all of them
_TASKS_EACH = 2
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class ExecutorHeadroom:
    """Executors that take from the same memory.

    Attributes:
        host: Their machine.
        executors: How many there are.
        headroom: What is left for all of them.
        heap_growth_bytes: By how much the heap of one of them may still grow.
    """

    host: str
    executors: int
    headroom: Headroom
    heap_growth_bytes: int = 0


class ExecutorAnswer(NamedTuple):
    """What one executor says; `found` is of itself alone, None where its system does not say what is left."""

    executor: str
    found: ExecutorHeadroom | None


def executor_headroom(context: SparkContext, executors: int) -> list[ExecutorHeadroom]:
    """The memory left for the executors of a session, in the order of their hosts.

    Args:
        context: The session's context.
        executors: About how many executors there are.

    Returns:
        An entry for each machine, or control group of a machine, that limits executors. Executors to which none of a
        few tasks fell are left out, and so are hosts whose system does not say.

    Raises:
        TimeoutError: The executors do not answer.
    """
    return by_memory(ask_executors(context, answer, _TASKS_EACH * executors)[1])


def answer(_: Iterable[int]) -> Iterator[ExecutorAnswer]:
    """The body of a task: which executor it runs in, and what is left there."""
    source = open_source()
    jvm, executor, _above = find_executor(os.getpid(), source)
    time.sleep(_HOLD_SECONDS)
    left = memory_headroom(source)
    found = ExecutorHeadroom(host_name(), 1, left, heap_growth(jvm, source)) if left else None
    yield ExecutorAnswer(executor or f"{host_name()} {jvm}", found)


def heap_growth(pid: int, source: Source | None = None) -> int:
    """By how much the heap of a JVM may still grow at least, in bytes: its -Xmx less all that it has now; 0 without."""
    source = source or open_source()
    limits = [match for word in source.command(pid) if (match := re.fullmatch(r"-Xmx(\d+)([kmgKMG]?)", word))]
    stat = source.stat(pid)
    if not limits or stat is None:
        return 0
    number, unit = limits[-1].groups()  # the last one counts
    return max(0, int(number) * _UNITS.get(unit.lower(), 1) - stat.rss_bytes)


def by_memory(answers: Iterable[ExecutorAnswer]) -> list[ExecutorHeadroom]:
    """Joins executors of one machine, or of one control group on it where that is what limits them."""
    together: dict[tuple[str, str], ExecutorHeadroom] = {}
    for _, found in sorted(dict(answers).items()):
        if found is None:
            continue
        key = (found.host, found.headroom.group)
        before = together.get(key, replace(found, executors=0))
        least = min(found.headroom, before.headroom, key=lambda headroom: headroom.left_bytes)
        growth = max(found.heap_growth_bytes, before.heap_growth_bytes)
        together[key] = ExecutorHeadroom(found.host, before.executors + found.executors, least, growth)
    return [together[key] for key in sorted(together)]
