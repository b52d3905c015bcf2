"""The journal of a comparison: which runs were begun and how they ended, in a file, so that a later call continues."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from monitor.records import DOES_NOT_FIT, ENDED_WELL, FAILED
from recsys.errors import UserError
from recsys.json_files import read_json
from spark_jobs.comparison.grid import Planned
from spark_jobs.launcher.lock import LOCK, alone

NOTES = "compare.json"
RUNNING = "running"


@dataclass(frozen=True)
class Done:
    """A run that was begun: its identity, and how it ended. The status "running" means that it was interrupted."""

    name: str
    identity: Mapping[str, Any]
    status: str
    reason: str = ""
    seconds: float = 0.0


class Journal:
    """The runs of one comparison: `folder`/runs/NAME, their screens in logs/, the records in compare.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.logs = folder / "runs", folder / "logs"
        self._done: dict[str, Done] = {}
        self.fetched: list[str] = []
        notes = folder / NOTES
        if notes.exists():
            try:
                tree = json.loads(notes.read_text(encoding="utf-8"))
                self._done = {record["name"]: Done(**record) for record in tree["runs"]}
                self.fetched = list(tree["fetched"])
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise UserError(
                    f"{notes}: cannot be read ({type(error).__name__}: {error}), so it is unknown which runs are "
                    "finished: name a new directory"
                ) from None
        elif folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
            raise UserError(f"--output {folder}: is not empty and is no comparison: name a new directory")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the directory and locks it against other processes."""
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
        """The run, if it need not run again: it ended well, or did not by itself and `retry` is not set."""
        done = self._done.get(name)
        if done is None or done.status == RUNNING or (retry and done.status not in ENDED_WELL):
            return None
        return done if self.path(name).is_dir() or done.status not in ENDED_WELL else None

    def begin(self, name: str, identity: Mapping[str, Any]) -> Path:
        """Records that a run begins and removes what an earlier attempt left; the run's directory."""
        shutil.rmtree(self.path(name), ignore_errors=True)
        self._done[name] = Done(name, _plain(identity), RUNNING)
        self._write()
        return self.path(name)

    def end(self, name: str, status: str, reason: str, seconds: float) -> Done:
        """Records how a run ended."""
        self._done[name] = replace(self._done[name], status=status, reason=reason, seconds=round(seconds, 1))
        self._write()
        return self._done[name]

    def note_fetched(self, what: str) -> None:
        """Records that a data set was fetched."""
        self.fetched.append(what)
        self._write()

    def seconds_left(self, planned: Sequence[Planned]) -> float | None:
        """The time that the runs may take, by finished repeats, by runs with as many workers, or by all finished
        runs; None without a finished run."""
        known = [run for run in self._done.values() if run.status in ENDED_WELL]
        if not known:
            return None
        return sum(_expected(run, known) for run in planned)

    def _write(self) -> None:
        temporary = self.folder / f".{NOTES}"
        tree = {"runs": [asdict(run) for run in self._done.values()], "fetched": self.fetched}
        temporary.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self.folder / NOTES)


def status_of(run: Path) -> str:
    """How a run ended that did not succeed: it failed, or it does not fit in memory."""
    return DOES_NOT_FIT if read_json(run / "run.json").get("does_not_fit") else FAILED


def reason_of(run: Path, log: Path, code: int) -> str:
    """Why a run failed, in one line: from run.json, for a killed JVM also from its log, otherwise from the screen."""
    ended = read_json(run / "run.json")
    error = " ".join(str(ended.get("error") or "").split())
    if not error:
        lines = [line for line in _tail(log) if line.startswith("howdah: ")]
        return lines[-1].removeprefix("howdah: ") if lines else f"exit code {code}"
    if ended.get("does_not_fit"):
        error = error.partition(": raise ")[0]  # the remedy stands on the screen: in a table it hides the figures
    if error.startswith("killed"):
        error += _cause(_tail(run / "spark.log"))
    return f"{error} (in {ended['phase']})" if ended.get("phase") else error


def _cause(lines: Sequence[str]) -> str:
    """The line of a JVM's log that says what ended it: an OutOfMemoryError, otherwise the first error."""
    stripped = [re.sub(r'^Exception in thread "[^"]*":? ?', "", line.strip()) for line in lines]
    memory = [line for line in stripped if "OutOfMemoryError" in line]
    wrong = [line for line in stripped if re.search(r"\w(Error|Exception)\b|^Error: |^Invalid ", line)]
    return f": {[*memory, *wrong][0][:200]}" if memory or wrong else ""


def _expected(run: Planned, known: Sequence[Done]) -> float:
    settings = _plain(run.settings)
    same = [done.seconds for done in known if done.identity.get("settings") == settings]
    workers = settings["training"]["workers"]
    alike = [done.seconds for done in known if done.identity["settings"]["training"]["workers"] == workers]
    return fmean(same or alike or [done.seconds for done in known])


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _differing(first: Any, second: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in {*first, *second}:
            yield from _differing(first.get(key), second.get(key), f"{prefix}.{key}" if prefix else str(key))
    elif first != second:
        yield prefix.removeprefix("settings.")


def _tail(path: Path, size: int = 65536) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return []
