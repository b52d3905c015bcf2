"""The journal of a study: a file that a killed process leaves whole."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import UserError

if TYPE_CHECKING:
    import optuna

JOURNAL = "study.journal"
NAME = "tune"  # of the study in it


@contextmanager
def journal_in(folder: Path) -> Iterator[optuna.storages.BaseStorage]:
    """The storage in a folder's journal, for this process alone. UserError where another process uses it."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = folder / JOURNAL
    with path.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another study is using it: wait for its end") from None
        except OSError:  # a file system without locks
            pass
        for stale in folder.glob(f"{JOURNAL}.lock*"):  # of a process that was killed as it wrote
            stale.unlink(missing_ok=True)
        _cut_half_line(path)
        yield JournalStorage(JournalFileBackend(str(path)))


def read_journal(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """The trials in a folder's journal, which another process may be writing to; none where there is no journal."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if not (folder / JOURNAL).is_file():
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))))
    except KeyError:  # it was killed before it wrote anything
        return []
    return study.get_trials(deepcopy=False)


def export_sqlite(folder: Path, path: Path) -> None:
    """Copies a folder's study into an SQLite file, which Optuna's dashboard and `optuna.load_study` open.

    Raises UserError where there is no study in the folder, or the file is there already.
    """
    import optuna

    if not (folder / JOURNAL).is_file():
        raise UserError(f"{folder}: has no study ({JOURNAL} is missing)")
    if path.exists():
        raise UserError(f"{path}: is there already: name another file")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with journal_in(folder) as storage:
        optuna.copy_study(
            from_study_name=NAME, from_storage=storage, to_storage=f"sqlite:///{path}", to_study_name=NAME
        )


def _cut_half_line(path: Path) -> None:
    """Removes what a process that was killed wrote of a line: the next one would be glued to it."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
