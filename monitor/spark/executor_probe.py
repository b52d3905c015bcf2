"""Questions to the executors, beside what the session is at: jobs of their own thread and group, in no phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from monitor.spark.work import MONITOR_GROUP

if TYPE_CHECKING:
    from pyspark import SparkContext

_JOB_SECONDS = 60.0  # that is waited for one of these jobs

Answer = TypeVar("Answer")


def ask_executors(
    context: SparkContext, task: Callable[[Iterable[int]], Iterable[Answer]], tasks: int
) -> tuple[float, list[Answer], float]:
    """Runs so many tasks; when they were sent, what they gave, and when it was here, by this machine's clock.

    TimeoutError where they do not end, because there is no executor any more: they are cancelled.
    """
    from pyspark import InheritableThread

    done: list[tuple[float, list[Answer], float]] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            # job groups belong to threads: that of the phase going on stays as it is
            context.setJobGroup(MONITOR_GROUP, "the monitor asks the executors' machines", True)
            partitions = context.parallelize(range(tasks), tasks).mapPartitions(task)
            sent, start = time.time(), time.monotonic()
            answers = partitions.collect()
            done.append((sent, answers, sent + time.monotonic() - start))
        except Exception as error:
            failed.append(error)

    thread = InheritableThread(target=ask, daemon=True)
    thread.start()
    thread.join(_JOB_SECONDS)
    if failed:
        raise failed[0]
    if not done:
        context.cancelJobGroup(MONITOR_GROUP)
        raise TimeoutError(f"no answer within {_JOB_SECONDS:g} s")
    return done[0]
