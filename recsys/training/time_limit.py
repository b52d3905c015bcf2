"""When training has to stop, so that it ends before a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable

RECENT_EPOCHS = 3


class TimeLimit:
    """Says after each step of training whether the next one would probably end too late.

    A step is what lies between two moments at which training can stop: a whole epoch, or a round of one, the last of
    which also measures the losses. The next step is expected to take as long as the longest one of the last
    `RECENT_EPOCHS` epochs. The first step always runs. It counts only until there is a second one, as workers start
    in it.

    Args:
        seconds: the limit, counted from now, so that what prepares the training is counted; 0: none.
        clock: seconds from any beginning.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._began = self._last = clock()
        self._first: float | None = None
        self._recent: list[tuple[int, float]] = []  # the epoch of each step after the first, its seconds

    def start(self) -> None:
        """The first step begins."""
        self._last = self._clock()

    def ends_before_next(self, epoch: int) -> bool:
        """Whether to stop now, after a step of that epoch. Is called once after every step."""
        now = self._clock()
        took, self._last = now - self._last, now
        if self._first is None:
            self._first = longest = took
        else:
            self._recent = [step for step in self._recent if step[0] > epoch - RECENT_EPOCHS] + [(epoch, took)]
            longest = max(seconds for _, seconds in self._recent)
        return 0 < self.seconds < now - self._began + longest

    def left(self, seconds: float) -> float:
        """The time left: so many seconds, or less where the limit comes first."""
        return min(seconds, max(0.0, self._began + self.seconds - self._clock())) if self.seconds else seconds
