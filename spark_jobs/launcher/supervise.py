"""Runs one process and all below it: passes signals on in an order that lets the job end well, and leaves no orphan."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from monitor.headroom import TreeMemory
from monitor.sampler.tree import is_monitor_command

_STOP_SECONDS = 20  # for the job to record that it was stopped
_MONITOR_SECONDS = 1.0
_LOOK_SECONDS = 0.2


@dataclass
class Limits:
    """What a command and all below it may use together.

    Attributes:
        cores: How many cores they run on (Linux); None for all.
        memory_bytes: How much memory (PSS) they may have before they are killed; None for any.
        taken_bytes: What they had when they were killed for it; None where they were not.
    """

    cores: int | None = None
    memory_bytes: int | None = None
    taken_bytes: int | None = None


def run_to_end(
    command: list[str],
    environment: dict[str, str],
    script: str,
    log: Path | None,
    cwd: Path | None = None,
    limits: Limits | None = None,
) -> tuple[int, int | None]:
    """Runs a command that is, or starts, the Python `script`, in `cwd`; standard error goes to `log`.

    Memory is looked at every 0.2 s, so that for so long there may be more of it than `limits` say.

    Returns the exit code (128 + the signal where there was one) and the signal that stopped this process, if any.
    `limits.taken_bytes` says whether, and at what, it was killed for its memory.
    """
    limits = limits or Limits()
    _adopt_orphans()
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with log.open("wb") if log else contextlib.nullcontext() as errors:
        # a process group of its own: Ctrl-C reaches this process alone, which then stops the job before the JVM
        child = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=lambda: prepare_child(limits.cores),
        )
    memory = TreeMemory(child.pid, os.getpid()) if limits.memory_bytes else None
    code = None
    while code is None:
        try:
            code = child.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if stopped:
                print("howdah: stopping ... (once more: at once)", file=sys.stderr, flush=True)
                code = _stop(child, script, stopped)
            elif memory and (taken := memory.above(limits.memory_bytes or 0)):
                limits.taken_bytes = taken
                child.kill()  # what it started is ended below
    _end_rest(psutil.Process().children(recursive=True))
    if stopped and code != 0:
        return 128 + stopped[0], stopped[0]
    return (code if code >= 0 else 128 - code), None


def _stop(child: subprocess.Popen[bytes], script: str, stopped: list[int]) -> int:
    """Stops the script's Python first, which records that it was stopped, then the JVM, then the rest."""
    family = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    end = time.monotonic() + _STOP_SECONDS
    while child.poll() is None and time.monotonic() < end and len(stopped) < 2:
        # again and again: a signal that arrives in a destructor or a callback is lost
        for process in [psutil.Process(child.pid), *family]:
            _interrupt(process, script)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
    _end_rest(family)
    return child.wait()


def _interrupt(process: psutil.Process, script: str) -> None:
    with contextlib.suppress(psutil.Error):
        if process.name().startswith("python") and any(part.endswith(script) for part in process.cmdline()):
            process.send_signal(signal.SIGINT)


def _end_rest(processes: list[psutil.Process]) -> None:
    """Kills the processes, but first lets a monitor see that the job has ended and record the last sample."""
    monitors = [process for process in processes if _is_monitor(process)]
    _kill([process for process in processes if process not in monitors])
    _, left = psutil.wait_procs(monitors, timeout=_MONITOR_SECONDS)
    _kill(left)


def _is_monitor(process: psutil.Process) -> bool:
    try:
        return is_monitor_command(process.cmdline())
    except psutil.Error:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=5)


def _adopt_orphans() -> None:
    """Makes this process the parent of orphans below it (Linux), so that it can end them."""
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def prepare_child(cores: int | None = None) -> None:
    """Runs in a child before its program: its own process group, the end together with its parent, and so many cores
    for it and all below it (the latter two on Linux)."""
    os.setpgid(0, 0)
    if cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    _prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: the JVM does not outlive this process


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)
