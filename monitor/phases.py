"""Phases of a run: named brackets whose start and end are appended to a file as they happen."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from monitor.errors import MonitorError
from monitor.extensions import write_extensions
from monitor.records import PHASES, PhaseRecord
from monitor.sampler.loop import INTERVAL_SECONDS
from monitor.sidecar import Sidecar, start_sidecar

RUN_VARIABLE = "MONITOR_RUN"  # in a watched command: the folder that its records go to
Listener = Callable[[PhaseRecord], None]


class Recorder:
    """Appends the phases of one run to `directory`/phases.jsonl, a line at each start and a line at each end.

    A start line has event, name, start (UTC, ISO 8601) and pid; an end line has event, name, start, end,
    wall_seconds (of the monotonic clock) and status ("done" or "failed"). Both have mono (the monotonic clock,
    seconds, as in samples.jsonl) and host. A phase whose end is missing was killed.
    """

    def __init__(self, directory: str | Path, listener: Listener | None = None) -> None:
        self.path = Path(directory) / PHASES
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._listener = listener
        self._sidecar: Sidecar | None = None
        self.current: str | None = None

    def start_sampling(self, interval: float) -> None:
        """Starts a sidecar beside phases.jsonl, every `interval` seconds; a warning where that does not succeed."""
        self._sidecar = start_sidecar(self.path.parent, interval=interval)

    def stop_sampling(self) -> None:
        """Lets the sidecar, if there is one, take a last sample and end. May be repeated."""
        if self._sidecar is not None:
            self._sidecar.stop()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Brackets one phase; an exception is recorded and goes on."""
        start, clock = _now(), time.monotonic()
        self._append({"event": "start", "name": name, "start": start, "pid": os.getpid()}, clock)
        around, self.current = self.current, name
        status = "failed"
        try:
            yield
            status = "done"
        finally:
            now = time.monotonic()
            self._append(_end(name, start, _now(), now - clock, status), now)
            if status == "done":
                self.current = around

    def add_phase(self, name: str, started: datetime, mono: float, seconds: float, status: str) -> None:
        """Records a phase that is over: its start as a time and on the monotonic clock, and how long it took."""
        start = _text(started)
        self._append({"event": "start", "name": name, "start": start, "pid": os.getpid()}, mono)
        end = _text(started + timedelta(seconds=seconds))
        self._append(_end(name, start, end, seconds, status), mono + seconds)

    def _append(self, record: PhaseRecord, mono: float) -> None:
        record["mono"], record["host"] = round(mono, 6), platform.node()
        # one write of one line: whoever reads along, or after a crash, sees whole lines
        with self.path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")
            file.flush()
        if self._listener:
            self._listener(record)


def _end(name: str, start: str, end: str, seconds: float, status: str) -> PhaseRecord:
    wall_seconds = round(seconds, 6)
    return {
        "event": "end", "name": name, "start": start, "end": end, "wall_seconds": wall_seconds, "status": status
    }  # fmt: skip


_current: Recorder | None = None


@contextmanager
def record(
    directory: str | Path | None = None,
    listener: Listener | None = None,
    *,
    interval: float | None = INTERVAL_SECONDS,
    extensions: Sequence[str] = (),
) -> Iterator[Recorder]:
    """Records a run: its phases, and what its processes and the machine do.

    Args:
        directory: The run directory; records go to its folder `resources`. Without it, the run joins the one that
            `python -m monitor watch` records this command in, and its samples.
        listener: Is called with every record of a phase.
        interval: Seconds between samples, which a sidecar takes; None records phases alone.
        extensions: What a report of this run shows beside the monitor's own figures, as "module:attribute" of a
            `monitor.Extension`.

    Yields:
        The recorder. `monitor.phase` uses it too while the context lasts.

    Raises:
        MonitorError: There is neither a directory nor a run to join.
    """
    global _current
    watched = os.environ.get(RUN_VARIABLE)
    if directory is None and not watched:
        raise MonitorError('record() without a directory is for commands below "monitor watch": name a directory')
    recorder = Recorder(Path(directory) / "resources" if directory is not None else str(watched), listener)
    if extensions:
        write_extensions(recorder.path.parent, extensions)
    if directory is not None and interval is not None:
        recorder.start_sampling(interval)
    before, _current = _current, recorder
    try:
        yield recorder
    finally:
        _current = before
        recorder.stop_sampling()


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Brackets one phase of the run that is being recorded; without a recorder it does nothing."""
    if _current is None:
        yield
        return
    with _current.phase(name):
        yield


def read_phases(directory: str | Path) -> list[PhaseRecord]:
    """The records of a run's phases, in order; a line that was cut off by a crash is left out."""
    path = Path(directory) / PHASES
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def unfinished_phase(directory: str | Path) -> str | None:
    """The phase that was going on when the run ended before its time, or None."""
    going: list[str] = []
    failed = None
    for entry in read_phases(directory):
        name = str(entry["name"])
        if entry["event"] == "start":
            going.append(name)
            failed = None  # whatever failed before did not end the run
            continue
        if name in going:
            going.remove(name)
        if entry.get("status") == "failed":
            failed = failed or name  # the innermost of several
    return failed or (going[-1] if going else None)


def _now() -> str:
    return _text(datetime.now(timezone.utc))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
