"""Starting and stopping the sidecar: a process of its own that samples the job's process tree."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from monitor.records import SAMPLES
from monitor.sampler.loop import INTERVAL_SECONDS, checked_interval
from monitor.sources import open_source, source_name

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
        if process is None or os.getpid() != self._owner:  # a fork of the owner leaves it alone
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
    source: str | None = None,
) -> Sidecar:
    """Starts a sidecar that samples a process and all below it.

    It returns when the first sample is written. Where that fails, a warning says why, and the job goes on unsampled.
    The sidecar ends by itself after its root. It has its own session, so that Ctrl-C in a terminal does not reach it.

    Args:
        resources: The folder of the samples; made where it is missing.
        root_pid: The root of the tree. By default it is this process, or its parent where that is the JVM of
            spark-submit.
        interval: Seconds between samples, 0.05 to 60.
        file_name: The samples' file in `resources`.
        source: Where measurements come from, a key of `monitor.sources.SOURCES`; by default the first one that works.

    Returns:
        The sidecar, to be stopped.

    Raises:
        MonitorError: The interval is out of range.
    """
    checked_interval(interval)
    folder = Path(resources).resolve()
    name = source or source_name()
    if name is None:
        return _without("this system has no /proc, and psutil is not installed")
    root = _default_root() if root_pid is None else root_pid
    path = folder / file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_size if path.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "sidecar", str(folder), "--root", str(root),
             "--interval", str(interval), "--file", file_name, "--source", name],
            env=sidecar_environment(), cwd="/", start_new_session=True,
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


def sidecar_environment() -> dict[str, str]:
    """The environment of a sidecar: this package can be imported, be it in a folder or in an archive."""
    above = str(Path(__file__).absolute().parent.parent)
    return {**os.environ, "PYTHONPATH": above, "PYTHONDONTWRITEBYTECODE": "1"}


def run_sidecar(errors: Path, sample: Callable[[], object]) -> int:
    """The body of a sidecar process: samples, and writes an exception of its own to the file `errors`."""
    gc.freeze()
    gc.disable()  # there are no cycles, and looking for them costs as much as a sample
    try:
        sample()
    except Exception:
        # it has no terminal and no log: a mistake of ours would go unseen
        errors.write_text(traceback.format_exc(), encoding="utf-8")
        raise
    return 0


def _without(why: str) -> Sidecar:
    warnings.warn(f"monitor: nothing is sampled: {why}", stacklevel=3)
    return Sidecar(None)


def _default_root() -> int:
    parent = os.getppid()
    return parent if "org.apache.spark.deploy.SparkSubmit" in open_source().command(parent) else os.getpid()


def _has_sample(path: Path, start: int) -> bool:
    """Whether a whole sample was appended after byte `start`."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return any(line.startswith(b'{"event":"sample"') and line.endswith(b"\n") for line in file)
    except FileNotFoundError:
        return False
