"""The run directory: made before anything runs, filled during the run, closed by run.json, which is written last."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import monitor
from monitor.records import FAILED
from recsys.errors import UserError
from recsys.secrets import masked

_PACKAGES = (
    "howdah",
    "pyspark",
    "elephas",
    "tensorflow",
    "keras",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "pydantic",
    "psutil",
)


def create(path: Path) -> None:
    """Makes a run directory; UserError where it is not empty or cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            if any(path.iterdir()):
                raise FileExistsError
            (path / "resources").mkdir()  # of two runs at once only one makes it
        except FileExistsError:
            raise UserError(f"--output {path}: is not empty: name a new directory, or remove this one") from None
    except OSError as error:
        raise UserError(f"--output {path}: cannot be written: {error.strerror}") from None


def reopen(path: Path) -> None:
    """Prepares the directory of a stopped run to continue; the earlier measurements are kept as resources-N."""
    (path / "run.json").unlink(missing_ok=True)
    shutil.rmtree(path / "tmp", ignore_errors=True)
    if (path / "resources").is_dir():
        number = 1
        while (path / f"resources-{number}").exists():
            number += 1
        (path / "resources").rename(path / f"resources-{number}")
    (path / "resources").mkdir()


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def finish(run: Path, status: str, **more: Any) -> None:
    """Writes run.json: status "succeeded", "stopped" or "failed", the time, and what else is known of how it ended.

    That is `stopped`, what stopped it, or of a failure the phase and the reason as `error`, and `does_not_fit` where
    memory was too small.
    """
    entry = {"status": status, "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"), **more}
    write_json(run / "run.json", entry)


def finish_if_killed(run: Path, code: int, signal_number: int | None, cause: str | None = None) -> None:
    """Writes run.json for a job that ended before it could, with the cause where that is known."""
    if (run / "run.json").exists() or not run.is_dir():
        return
    why = cause or f"killed (exit code {code})"
    if signal_number:
        why = f"stopped by {signal.Signals(signal_number).name}"
    with contextlib.suppress(OSError):  # on a full disk, which the job has reported
        fits_not = {"does_not_fit": True} if is_of_memory(why) else {}
        finish(run, FAILED, error=why, phase=monitor.unfinished_phase(run / "resources"), **fits_not)


def is_of_memory(error: str) -> bool:
    """Whether it says that memory was too small: Java's OutOfMemoryError, or Python's or NumPy's MemoryError."""
    return "MemoryError" in error


def describe_environment(spark_properties: Mapping[str, str]) -> dict[str, Any]:
    """The content of environment.json: versions, commit, machine and Spark properties, secrets masked."""
    memory = psutil.virtual_memory()
    return {
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
        "machine": {
            "host": platform.node(),
            "system": platform.platform(),
            "processor": _processor(),
            "cores": psutil.cpu_count(logical=True),
            "memory_bytes": memory.total,
        },
        "spark": masked(dict(sorted(spark_properties.items()))),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    checkout = Path(sys.argv[0]).resolve().parents[1]
    if not (checkout / ".git").exists():
        return None  # installed: a repository further up is another project's
    try:
        asked = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, check=True, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _plain(value: Any) -> Any:
    """A NumPy number as a Python number."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value)} in a JSON file")
