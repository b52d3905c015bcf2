"""`monitor watch -- command`: runs a command, samples it, and ends as it did."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from monitor.errors import MonitorError
from monitor.phases import RUN_VARIABLE, Recorder
from monitor.records import FAILED, PHASES, SAMPLES, SUCCEEDED
from monitor.sampler.loop import INTERVAL_SECONDS, checked_interval
from monitor.sampler.tree import Tree
from monitor.sidecar import start_sidecar
from monitor.sources import open_source

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell's
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_BY_KERNEL = 128  # si_code of a signal from the terminal, which the command got as well
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_LEFT_SECONDS = 1.0


def watch_command(output: str | Path, command: Sequence[str], interval: float = INTERVAL_SECONDS) -> int:
    """Runs `command`, samples it into `output`/resources, and returns its exit code (128 + n for signal n).

    Signals are passed on. What the command leaves running is ended. Unless the command records phases of its own
    (`monitor.record()` in it needs no folder), the whole of it is one phase, "command". MonitorError where
    `output` has samples already or cannot be written.
    """
    checked_interval(interval)
    if sys.platform != "linux":
        raise MonitorError("watch needs Linux: use monitor.record() in the program, or run the command without watch")
    if not command:
        raise MonitorError("no command: put it behind --, as in: watch --output RUN -- python job.py")
    resources = _prepare(Path(output))
    if shutil.which(command[0]) is None:
        exists = "/" in command[0] and Path(command[0]).exists()
        print(f"monitor: {command[0]}: {'not executable' if exists else 'not found'}", file=sys.stderr)
        return NOT_EXECUTABLE if exists else NOT_FOUND
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)  # orphans below come here: their time counts, and they are ended
    sidecar = start_sidecar(resources, os.getpid(), interval)
    recorder = Recorder(resources)
    started, began = datetime.now(timezone.utc), time.monotonic()
    try:
        code = _run(command, {**os.environ, RUN_VARIABLE: str(resources)})
    except OSError as error:
        print(f"monitor: {command[0]}: {error.strerror}", file=sys.stderr)
        code = NOT_EXECUTABLE
    seconds = time.monotonic() - began
    if not (resources / PHASES).exists():
        recorder.add_phase("command", started, began, seconds, "failed" if code else "done")
    _end_rest(sidecar.pid)
    sidecar.stop()
    entry = {
        "status": FAILED if code else SUCCEEDED,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": list(command),
        "exit_code": code,
        "seconds": round(seconds, 1),
    }
    with contextlib.suppress(OSError):  # a full disk is no failure of the command
        (Path(output) / "run.json").write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
    return code


def _prepare(output: Path) -> Path:
    resources = (output / "resources").resolve()
    if (resources / SAMPLES).exists() or (resources / PHASES).exists():
        raise MonitorError(f"--output {output}: has a run's samples already: name a new directory")
    try:
        resources.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MonitorError(f"--output {output}: cannot be written: {error.strerror}: name another") from None
    return resources


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    """The command's exit code, with signals passed on and orphans reaped meanwhile."""
    awaited = (*_PASSED_ON, signal.SIGCHLD)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    try:
        child = subprocess.Popen(
            command, env=environment, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before)
        )
        while True:
            code = _reap(child.pid)
            if code is not None:
                child.returncode = code
                return code
            received = signal.sigwaitinfo(awaited)
            if received.si_signo != signal.SIGCHLD and received.si_code != _BY_KERNEL:
                os.kill(child.pid, received.si_signo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reap(pid: int) -> int | None:
    """Takes over the time of all children that ended; the exit code if `pid` was among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                exit_code = os.waitstatus_to_exitcode(ended[1])
                code = exit_code if exit_code >= 0 else 128 - exit_code
    return code


def _end_rest(sidecar_pid: int | None) -> None:
    """Ends what the command left running: first asked, then killed."""
    source = open_source()
    end = time.monotonic() + _LEFT_SECONDS
    asked: set[int] = set()
    while True:
        tree = Tree(os.getpid(), source)
        tree.look()
        left = {pid for pid, _ in tree.members} - {os.getpid(), sidecar_pid}
        _reap(0)
        if not left:
            return
        late = time.monotonic() > end
        for pid in left if late else left - asked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left
        if time.monotonic() > end + 1:  # not ours to kill
            return
        time.sleep(0.02)
