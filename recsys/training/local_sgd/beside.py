"""A Spark job beside what the driver does meanwhile."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from pyspark import InheritableThread, SparkContext

T = TypeVar("T")


class Beside(Generic[T]):
    """Runs Spark jobs in a thread of the driver, with this thread's properties, from now on."""

    def __init__(self, context: SparkContext, run: Callable[[], T]) -> None:
        self._context, self._run = context, run
        self._tag = f"beside-{uuid.uuid4().hex}"
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._ended: float | None = None
        self._thread = InheritableThread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self._ended or time.monotonic()) - self._began

    def result(self) -> T:
        """What came out, once it is over; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def cancel(self) -> bool:
        """Ends it, and waits until it is over; whether it had come to its own end before."""
        with suppress(Exception):
            self._context.cancelJobsWithTag(self._tag)
        self._thread.join()
        return self._error is None

    def _work(self) -> None:
        try:
            self._context.addJobTag(self._tag)
            self._found.append(self._run())
        except BaseException as error:
            self._error = error
        finally:
            self._ended = time.monotonic()
