"""What a process and all its descendants cost, for the benchmarks that compare programs from outside."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psutil

RESULT_HELP = "where the JSON result goes; without it, standard output"


class BenchmarkError(Exception):
    """A program that is compared did not do its part; the message is for the reader as it stands."""


def tree_pss_bytes(pid: int) -> int:
    """Proportional set size of `pid` and its descendants now: pages that forked workers share count once."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_pss_bytes(process) for process in processes)


def _pss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # ended since it was listed
        return 0


class PeakPss:
    """Samples a process tree from a thread while the `with` block runs; `peak_bytes` is the highest sum seen."""

    def __init__(self, pid: int, interval_seconds: float = 1.0) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-pss", daemon=True)

    def __enter__(self) -> PeakPss:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, tree_pss_bytes(self._pid))
            if self._stop.wait(self._interval_seconds):
                return


def run_measured(
    command: list[str], log: Path, *, cwd: Path, environment: Mapping[str, str] | None = None
) -> tuple[float, int]:
    """Runs a program to its end, its output in `log`: wall seconds and peak PSS in bytes."""
    print(f"$ {shlex.join(command)}", flush=True)
    variables = {**os.environ, **(environment or {})}
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            with PeakPss(process.pid) as peak:
                code = process.wait()
                wall_seconds = time.perf_counter() - start
        except BaseException:
            _end_tree(process)
            raise
    if code != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise BenchmarkError(f"exit code {code} from {shlex.join(command)}; its last lines:\n{tail}")
    return wall_seconds, peak.peak_bytes


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """After Ctrl-C: the JVM and its workers outlive the launcher unless they are told too."""
    try:
        tree = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        tree = []
    for child in tree:
        try:
            child.terminate()
        except psutil.Error:
            continue
    process.terminate()
    process.wait()


def write_result(result: Mapping[str, object], out: Path | None) -> None:
    """What a program that is compared found, for the one that compares; to standard output without a file."""
    text = json.dumps(result, indent=2)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
