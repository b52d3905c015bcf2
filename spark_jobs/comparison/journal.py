"""Many runs of train, one after the other: what has been done is noted in a file, so that it can be gone on with."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from recsys.errors import UserError
from spark_jobs.comparison.grid import Planned
from spark_jobs.launcher.lock import LOCK, alone

NOTES = "compare.json"
RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"


@dataclass(frozen=True)
class Done:
    """A run that was begun: what it was asked to be, and how it ended ("running": it was broken off)."""

    name: str
    identity: Mapping[str, Any]
    status: str
    reason: str = ""
    seconds: float = 0.0


class Campaign:
    """The runs of one directory: `folder`/runs/NAME, the screens in logs/, what is known of them in compare.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.logs = folder / "runs", folder / "logs"
        self._done: dict[str, Done] = {}
        self.fetched: list[str] = []
        notes = folder / NOTES
        if notes.exists():
            try:
                told = json.loads(notes.read_text(encoding="utf-8"))
                self._done = {one["name"]: Done(**one) for one in told["runs"]}
                self.fetched = list(told["fetched"])
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise UserError(
                    f"{notes}: cannot be read ({type(error).__name__}: {error}): which of its runs are finished is not "
                    "told any more: name a new directory"
                ) from None
        elif folder.is_dir() and any(one.name != LOCK for one in folder.iterdir()):
            raise UserError(f"--output {folder}: is not empty, and no comparison: name a new directory")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the directory, and keeps a second process out of it."""
        try:
            for folder in (self.folder, self.runs, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--output {self.folder}: cannot be written: {error.strerror}") from None
        with alone(self.folder):
            yield

    def path(self, name: str) -> Path:
        """The run's directory."""
        return self.runs / name

    def check(self, name: str, identity: Mapping[str, Any]) -> None:
        """UserError where a finished run of that name had other settings."""
        before = self._done.get(name)
        if before is None or before.status == RUNNING or before.identity == _plain(identity):
            return
        changed = sorted(_differing(before.identity, _plain(identity)))
        raise UserError(
            f"--output {self.folder}: its run {name} had other settings ({', '.join(changed)}): name a new directory"
        )

    def finished(self, name: str, retry: bool) -> Done | None:
        """The run, if it need not be run again: it succeeded, or (unless `retry`) failed by itself."""
        done = self._done.get(name)
        if done is None or done.status == RUNNING or (retry and done.status == FAILED):
            return None
        return done if self.path(name).is_dir() or done.status == FAILED else None

    def begin(self, name: str, identity: Mapping[str, Any]) -> Path:
        """Notes that a run begins, and clears away what is left of an earlier attempt; its directory."""
        shutil.rmtree(self.path(name), ignore_errors=True)
        self._done[name] = Done(name, _plain(identity), RUNNING)
        self._write()
        return self.path(name)

    def end(self, name: str, status: str, reason: str, seconds: float) -> Done:
        """Notes how a run ended by itself."""
        self._done[name] = replace(self._done[name], status=status, reason=reason, seconds=round(seconds, 1))
        self._write()
        return self._done[name]

    def note_fetched(self, what: str) -> None:
        """Notes that a data set is there."""
        self.fetched.append(what)
        self._write()

    def seconds_left(self, planned: Sequence[Planned]) -> float | None:
        """What the runs may take: as repeats did, else as runs with as many workers, else as any; None without one."""
        known = [one for one in self._done.values() if one.status == SUCCEEDED]
        if not known:
            return None
        return sum(_expected(run, known) for run in planned)

    def _write(self) -> None:
        temporary = self.folder / f".{NOTES}"
        told = {"runs": [asdict(one) for one in self._done.values()], "fetched": self.fetched}
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self.folder / NOTES)


def reason_of(run: Path, log: Path, code: int) -> str:
    """Why a run failed, in one line: as run.json says, of a killed JVM as its log does, else as the screen did."""
    told: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    error = " ".join(str(told.get("error") or "").split())
    if not error:
        lines = [line for line in _tail(log) if line.startswith("howdah: ")]
        return lines[-1].removeprefix("howdah: ") if lines else f"exit code {code}"
    if error.startswith("killed"):
        error += _cause(_tail(run / "spark.log"))
    return f"{error} (in {told['phase']})" if told.get("phase") else error


def _cause(lines: Sequence[str]) -> str:
    """The line of a JVM's log that says what ended it: that memory ran out, otherwise the first complaint."""
    told = [re.sub(r'^Exception in thread "[^"]*":? ?', "", line.strip()) for line in lines]
    memory = [line for line in told if "OutOfMemoryError" in line]
    wrong = [line for line in told if re.search(r"\w(Error|Exception)\b|^Error: |^Invalid ", line)]
    return f": {[*memory, *wrong][0][:200]}" if memory or wrong else ""


def time_text(seconds: float) -> str:
    """About how long, as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds."""
        return time.monotonic() - self._start


def _expected(run: Planned, known: Sequence[Done]) -> float:
    settings = _plain(run.settings)
    same = [one.seconds for one in known if one.identity.get("settings") == settings]
    workers = settings["training"]["workers"]
    alike = [one.seconds for one in known if one.identity["settings"]["training"]["workers"] == workers]
    return fmean(same or alike or [one.seconds for one in known])


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _differing(one: Any, other: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {*one, *other}:
            yield from _differing(one.get(key), other.get(key), f"{prefix}.{key}" if prefix else str(key))
    elif one != other:
        yield prefix.removeprefix("settings.")


def _tail(path: Path, size: int = 65536) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return []
