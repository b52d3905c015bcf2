"""Forks Spark's Python workers (`spark.python.daemon.module`), having imported once what all of them need.

Spark starts it on an executor by `python -m howdah_daemon`, before the packages of the job are there: it is shipped
as a file of its own (recsys.workers) and imports nothing of this project. HOWDAH_PRELOAD names the modules. Workers
share their memory until they write to it. Modules are imported, nothing of them is run: threads do not live through
a fork, and a TensorFlow that has begun to compute does not work after one.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
import time
import types
import zipimport
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

VARIABLE = "HOWDAH_PRELOAD"
_COLLECT_SECONDS = 10.0
QUIET = {
    "TF_ENABLE_ONEDNN_OPTS": "1",  # a tenth faster here; off by default on processors without AVX-512
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",  # else a thread a core from the import on
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_HOME": os.devnull + "/keras",
}


def named(text: str) -> list[str]:
    """The modules of a comma-separated list."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def preload(modules: Sequence[str]) -> list[str]:
    """Imports the modules, each if it can be; why those that cannot be are missing, a line each."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the executor's environment says
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    missing = []
    with _nothing_said():
        for name in modules:
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:  # workers that need it will say so themselves
                missing.append(f"howdah: {name} is not preloaded: {type(error).__name__}: {error}")
    return missing


def read_archives_once() -> None:
    """Archives that modules are found in are looked through again only where they have changed.

    A Python worker calls importlib.invalidate_caches() before every task, at which zipimport reads the directories of
    pyspark.zip and of Spark's jar anew, some ten thousand names, in Python: more than most tasks' own work.
    """
    reread = zipimport.zipimporter.invalidate_caches

    def invalidate_caches(importer: Any) -> None:
        try:
            found = os.stat(importer.archive)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            stamp = None
        if stamp is None or getattr(importer, "_howdah_stamp", None) != stamp:
            reread(importer)
            importer._howdah_stamp = stamp

    zipimport.zipimporter.invalidate_caches = invalidate_caches  # type: ignore[method-assign, assignment]
    importlib.invalidate_caches()  # once for all workers, which are forks


def collect_seldom(daemon: Any) -> None:
    """A worker looks through all of its objects for garbage at most every 10 seconds.

    PySpark's daemon has it done after every task: with numba imported that takes 40 ms, more than many a task. In
    between it looks at what the last task has made. Each time it also gives free memory back to the system: there may
    be twice as many workers as tasks.
    """
    last = [time.monotonic()]
    trim = _trim()

    def collect() -> None:
        now = time.monotonic()
        if now - last[0] < _COLLECT_SECONDS:
            gc.collect(1)
        else:
            last[0] = now
            gc.collect()
        trim()

    daemon.gc = types.SimpleNamespace(collect=collect)


def _trim() -> Callable[[], object]:
    """What gives memory that is free back to the system; nothing where the C library has no such function."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return lambda: None
    return lambda: trim(0)


def move_current_directory_last(path: list[str]) -> None:
    """Moves the current directory to the end of a module search path; `path` is changed in place.

    `python -m` puts it first. In local[N] it is the directory where the user called: a folder `recsys` or `monitor`
    there, such as those of another checkout, would hide the packages that were shipped with the job.
    """
    here = os.path.realpath(os.getcwd())
    current = [entry for entry in path if os.path.realpath(entry or os.curdir) == here]
    path[:] = [entry for entry in path if entry not in current] + current[:1]


def prefer_compiled_pyspark(path: list[str]) -> None:
    """Moves Spark's archives of Python sources behind the installed packages; `path` is a module search path.

    Spark puts pyspark.zip first, and Python compiles it anew in every process: half a second. The installed package is
    taken only where it is the folder that the archive lies in, so that both are of the same Spark.
    """
    for archive in [entry for entry in path if entry.endswith("/python/lib/pyspark.zip")]:
        home = os.path.realpath(archive.removesuffix("/python/lib/pyspark.zip"))
        installed = [entry for entry in path if os.path.realpath(os.path.join(entry, "pyspark")) == home]
        if installed and os.path.isfile(os.path.join(home, "__init__.py")):
            moved = [entry for entry in path if os.path.dirname(entry) == os.path.dirname(archive)]
            path[:] = [entry for entry in path if entry not in moved] + moved


@contextmanager
def _nothing_said() -> Iterator[None]:
    """Standard output is what Spark awaits the daemon's port on; what it does not read of standard error blocks."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(nowhere, number)
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        for number, screen in kept.items():
            os.dup2(screen, number)
            os.close(screen)
        os.close(nowhere)


def main() -> None:
    """The daemon: never returns while Spark needs workers."""
    move_current_directory_last(sys.path)
    prefer_compiled_pyspark(sys.path)
    for line in preload(named(os.environ.get(VARIABLE, ""))):
        print(line, file=sys.stderr)
    daemon = importlib.import_module("pyspark.daemon")
    read_archives_once()
    collect_seldom(daemon)
    gc.collect()
    gc.freeze()  # no worker's collector touches, and so copies, what was there before it
    daemon.manager()


if __name__ == "__main__":
    main()
