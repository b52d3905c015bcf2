"""Runs one job as a child process: keeps and shows its output and passes signals on. It ends with its parent."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from spark_jobs.launcher.supervise import prepare_child

_STEP_SECONDS = 0.2


def run_child(command: Sequence[str], log: Path, show: Callable[[str], None]) -> tuple[int, bool]:
    """Runs a command whose output goes to `log` and, line by line, to `show`.

    Returns the exit code (128 + the signal where there was one) and whether a signal asked for the end.
    """
    stopped: list[int] = []

    # a file, not a pipe: the job neither breaks nor blocks when this process does
    with log.open("wb") as target:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=target, stderr=subprocess.STDOUT, preexec_fn=prepare_child
        )

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        child.send_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with log.open("rb") as source:
            while child.poll() is None:
                _pass_on(source, show)
                time.sleep(_STEP_SECONDS)
            _pass_on(source, show, to_end=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code = child.returncode
    return (code if code >= 0 else 128 - code), bool(stopped)


def _pass_on(source: BinaryIO, show: Callable[[str], None], to_end: bool = False) -> None:
    while line := source.readline():
        if not line.endswith(b"\n") and not to_end:
            source.seek(-len(line), 1)  # the rest comes later
            return
        show(line.decode(errors="replace").rstrip("\n"))
