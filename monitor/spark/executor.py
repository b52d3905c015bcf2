"""What runs in a task on an executor's machine: its sidecar is started there, and its samples read.

One sidecar a machine watches all of the application's executors there; it keeps its samples in a folder of the
machine's temporary directory, from which tasks read them: no file system need be shared.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitor.records import SAMPLES
from monitor.sampler.loop import Clock, LineFile, Sampler, sample_until_end
from monitor.sidecar import sidecar_environment
from monitor.sources import Source, host_name, open_source

LOCK, ROOTS, STATE, ERRORS = "lock", "roots", "sidecar.json", "errors"
_PART_BYTES = 2 << 20  # of samples in one answer; a sample has about 1 KB
_STOP_SECONDS = 5.0
_LINGER_SECONDS = 5.0  # Spark may replace an executor that died


@dataclass(frozen=True)
class Request:
    """What the driver wants of every machine; `ask` is unlike any before, so that one task a machine answers it."""

    application: str
    interval_seconds: float
    driver: tuple[str, str, int]  # host, boot and the root of what its own sidecar watches
    offsets: dict[str, int] = field(default_factory=dict)  # bytes had already, by stream
    ask: str = ""
    hold_seconds: float = 0.0  # that a task takes at least, so that a quick executor does not do all of them
    stop: bool = False
    remove: bool = False


@dataclass(frozen=True)
class Report:
    """What one task saw: where it ran, its clock at begin and end, and, where it was the first, new samples."""

    host: str
    boot_id: str
    executor: str | None
    begun: float
    ended: float = 0.0
    with_driver: bool = False  # the driver's own sidecar sees this executor
    stream: str | None = None  # one life of a sidecar
    offset: int = 0
    data: bytes = b""
    more: bool = False
    problem: str | None = None


def task(request: Request, _rows: Iterable[object]) -> Iterator[Report]:
    """The body of a Spark task."""
    yield visit(request)
    time.sleep(request.hold_seconds)


def visit(request: Request) -> Report:
    """Does what is asked on the machine that this runs on; never raises, but says what went wrong."""
    begun = time.time()
    source = open_source()
    report = Report(host_name(), source.boot_id(), None, begun)
    try:
        root, executor, above = find_executor(os.getpid(), source)
        report = replace(report, executor=executor)
        if (report.host, report.boot_id) == request.driver[:2] and request.driver[2] in above:
            report = replace(report, with_driver=True)
        else:
            report = _serve(request, root, report)
    except Exception as error:
        report = replace(report, problem=f"{type(error).__name__}: {error}")
    return replace(report, ended=time.time())


def find_executor(pid: int, source: Source) -> tuple[int, str | None, tuple[int, ...]]:
    """The executor's JVM above a task's Python: its process id, its executor id where it says so, and all above it.

    LookupError where there is no JVM above.
    """
    above = list(_ancestors(pid, source))
    for index, ancestor in enumerate(above):
        words = source.command(ancestor)
        if words and Path(words[0]).name == "java":
            named = dict(itertools.pairwise(words)).get("--executor-id")
            return ancestor, named, tuple(above[index + 1 :])
    raise LookupError("no JVM above this task's Python")


def folder_of(application: str) -> Path:
    """Where this machine's sidecar keeps its samples, for this user and application alone."""
    return Path(tempfile.gettempdir()) / f"monitor-{application}-{os.getuid()}"


def is_locked(path: Path) -> bool:
    """Whether a sidecar lives that holds the lock."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def read_part(path: Path, offset: int, limit: int = _PART_BYTES) -> tuple[bytes, bool]:
    """Whole lines from `offset` on, about `limit` bytes of them, and whether there are more."""
    if not path.exists():
        return b"", False
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(limit)
        end = data.rfind(b"\n") + 1
        return data[:end], bool(end) and len(data) == limit


def _serve(request: Request, root: int, report: Report) -> Report:
    folder = folder_of(request.application)
    if request.remove:
        shutil.rmtree(folder, ignore_errors=True)
        return report
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{folder} is another user's")
    (folder / ROOTS).mkdir(exist_ok=True)
    (folder / ROOTS / str(root)).touch()
    if not request.stop:
        _start(folder, request.interval_seconds)
    try:
        os.close(os.open(folder / f"asked-{request.ask}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return report
    if request.stop:
        _stop(folder)
    return _samples(folder, request, report)


def _start(folder: Path, interval_seconds: float) -> None:
    """Starts a sidecar if none lives: it inherits the lock, so there is never a second one, and frees it by ending."""
    lock_path, errors_path = folder / LOCK, folder / ERRORS
    # a lock that is taken: a sidecar lives
    with suppress(BlockingIOError), lock_path.open("wb") as lock, errors_path.open("ab") as errors:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        subprocess.Popen(
            [sys.executable, "-m", "monitor", "sidecar", str(folder), "--interval", str(interval_seconds)],
            env={**sidecar_environment(), "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, pass_fds=[lock.fileno()],
            cwd=folder,  # not the executor's, which Spark removes
            start_new_session=True,  # pyspark.daemon kills its own process group
        )  # fmt: skip


def _stop(folder: Path) -> None:
    with suppress(OSError, ValueError, KeyError):
        os.kill(json.loads((folder / STATE).read_bytes())["pid"], signal.SIGTERM)
    end = time.monotonic() + _STOP_SECONDS
    while is_locked(folder / LOCK) and time.monotonic() < end:
        time.sleep(0.02)


def _samples(folder: Path, request: Request, report: Report) -> Report:
    try:
        stream = str(json.loads((folder / STATE).read_bytes())["stream"])
    except (OSError, ValueError, KeyError):  # just started, or it could not start
        said = (folder / ERRORS).read_text(errors="replace").strip() if (folder / ERRORS).exists() else ""
        return replace(report, problem=f"the sidecar did not start: {said.splitlines()[-1]}") if said else report
    offset = request.offsets.get(stream, 0)
    data, more = read_part(folder / SAMPLES, offset)
    return replace(report, stream=stream, offset=offset, data=data, more=more)


def _ancestors(pid: int, source: Source) -> Iterator[int]:
    while pid > 1:
        stat = source.stat(pid)
        if stat is None:
            return
        pid = stat.parent_pid
        yield pid


def sample_executors(folder: Path, interval_seconds: float, source: Source, clock: Clock | None = None) -> None:
    """The sidecar of one machine's executors: samples them until it is asked to end, or none has lived for 5 s.

    Each file of `folder`/roots is named for the pid of an executor, and more may come at any time. All of them are one
    process tree in samples.jsonl. Who starts it has locked `folder`/lock for it. When the last executor has ended,
    nobody can fetch the samples any more: then it removes the folder.
    """
    with clock or Clock() as ticking, suppress(OSError):  # the folder is gone, or the disk full: the job is not harmed
        sampler = Sampler(lambda: _roots(folder), interval_seconds, ticking, source)
        (folder / SAMPLES).unlink(missing_ok=True)  # of a sidecar that was killed
        file = LineFile(folder / SAMPLES)
        temporary = folder / f".{STATE}"
        temporary.write_text(json.dumps({"pid": os.getpid(), "stream": uuid.uuid4().hex}), encoding="utf-8")
        temporary.replace(folder / STATE)
        why = sample_until_end(sampler, file.write, ticking, _LINGER_SECONDS, new_roots=True)
        file.close()
        if why == "root ended":
            shutil.rmtree(folder, ignore_errors=True)


def _roots(folder: Path) -> list[int]:
    with suppress(OSError):
        return [int(path.name) for path in (folder / ROOTS).iterdir() if path.name.isdigit()]
    return []
