"""Starting and stopping the sidecar: a process of its own that samples this one's tree."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

from monitor.records import SAMPLES
from monitor.sampling.procfs import PROC, Processes
from monitor.sampling.sampler import INTERVAL_SECONDS, checked_interval

RUN_VARIABLE = "MONITOR_RUN"  # in a watched command: the folder that its records go to
_START_SECONDS = 5.0
_STOP_SECONDS = 5.0


class Sidecar:
    """A sidecar process, or none where it could not be started."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process
        self._owner = os.getpid()

    @property
    def pid(self) -> int | None:
        """Its pid; None where there is none."""
        return self._process.pid if self._process else None

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Asks it to take a last sample and end, and waits; after `timeout` seconds it is killed. May be repeated."""
        process = self._process
        if process is None or os.getpid() != self._owner:  # a fork of who started it leaves it alone
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_sidecar(
    resources: str | Path,
    root_pid: int | None = None,
    interval: float = INTERVAL_SECONDS,
    *,
    file_name: str = SAMPLES,
) -> Sidecar:
    """Starts a sidecar that samples `root_pid` and all below it into `resources`/`file_name` every `interval` seconds.

    Without `root_pid` it is this process, or its parent where that is the JVM of spark-submit. Returns when the first
    sample is written. Where that does not come about, a warning says so and the job goes on unsampled. The sidecar
    ends by itself after its root; it has its own session, so that Ctrl-C in a terminal leaves it to record the end.
    """
    checked_interval(interval)
    folder = Path(resources).resolve()
    if not (PROC / "self" / "stat").exists():
        return _without("there is no /proc on this system")
    root = _default_root() if root_pid is None else root_pid
    path = folder / file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_size if path.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "watch", "--resources", str(folder), "--root", str(root),
             "--interval", str(interval), "--file", file_name],
            env=_environment(), cwd="/", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return _without(str(error))
    end = time.monotonic() + _START_SECONDS
    while not _has_sample(path, before):
        if process.poll() is not None:
            return _without(f"the sidecar ended at once (exit code {process.returncode})")
        if time.monotonic() > end:
            warnings.warn(f"monitor: no sample in {_START_SECONDS:g} s; they may come late", stacklevel=2)
            break
        time.sleep(0.01)
    return Sidecar(process)


def _without(why: str) -> Sidecar:
    warnings.warn(f"monitor: nothing is sampled: {why}", stacklevel=3)
    return Sidecar(None)


def _default_root() -> int:
    parent = os.getppid()
    return parent if "org.apache.spark.deploy.SparkSubmit" in Processes().command(parent) else os.getpid()


def _environment() -> dict[str, str]:
    """With this package importable, be it a folder or in an archive, and nothing else of ours in front of it."""
    place = str(Path(__file__).absolute().parent.parent)
    return {**os.environ, "PYTHONPATH": place, "PYTHONDONTWRITEBYTECODE": "1"}


def _has_sample(path: Path, start: int) -> bool:
    """Whether a whole sample was appended after byte `start`."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return any(line.startswith(b'{"event":"sample"') and line.endswith(b"\n") for line in file)
    except FileNotFoundError:
        return False
