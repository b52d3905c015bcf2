"""What tests of real processes wait for."""

from __future__ import annotations

import time
from collections.abc import Callable

from monitor.sources import open_source


def wait_for(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    stat = open_source().stat(pid)
    return stat is not None and not stat.ended
