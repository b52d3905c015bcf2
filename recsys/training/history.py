"""The loss curves of a run, on disk after every epoch."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Seconds:
    """Where the seconds of an epoch went; data and compute are all workers', shared out among the cores."""

    data: float = 0.0
    compute: float = 0.0
    reduce: float = 0.0  # deltas, states, scheduling, waiting for the last one: all of a round that is not work
    broadcast: float = 0.0
    validation: float = 0.0  # all losses of the master model, less what was trained beside them

    def __add__(self, other: Seconds) -> Seconds:
        pairs = ((getattr(self, one.name), getattr(other, one.name)) for one in fields(self))
        return Seconds(*(mine + theirs for mine, theirs in pairs))

    @property
    def total(self) -> float:
        """All of them."""
        return sum(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True)
class Epoch:
    """One epoch: the master model's losses after it, what it took (losses included), users trained.

    `test_loss` is None where it was not measured (training.test_loss).
    """

    epoch: int
    train_loss: float
    validation_loss: float
    seconds: float
    rows: int
    workers: int
    split: Seconds = Seconds()
    test_loss: float | None = None


_TEST_LOSS = "test_loss"  # a last column where it is measured, else none
_FIGURES = tuple(field.name for field in fields(Epoch) if field.name not in ("split", _TEST_LOSS))
_SPLIT = tuple(field.name for field in fields(Seconds))
COLUMNS = (*_FIGURES, *(f"{name}_seconds" for name in _SPLIT))


class History:
    """Appends epochs to a CSV file, so that a killed run leaves all that were finished.

    `epochs` are those of an earlier part of the run, written anew. Without a path they are kept in memory alone.
    `test_loss` says whether there is a column for it.
    """

    def __init__(self, path: Path | None, epochs: list[Epoch] | None = None, test_loss: bool = False) -> None:
        self.path = path
        self.epochs: list[Epoch] = []
        self._more = (_TEST_LOSS,) if test_loss else ()
        self._best: Epoch | None = None
        if path:
            with path.open("w", newline="") as file:
                csv.writer(file).writerow([*COLUMNS, *self._more])
        for epoch in epochs or []:
            self.append(epoch)

    def append(self, epoch: Epoch) -> None:
        """One more epoch."""
        self.epochs.append(epoch)
        if self._best is None or _order(epoch) < _order(self._best):
            self._best = epoch
        if self.path is None:
            return
        figures = [getattr(epoch, name) for name in _FIGURES]
        split = [round(getattr(epoch.split, name), 3) for name in _SPLIT]
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([*figures, *split, *(getattr(epoch, name) for name in self._more)])

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss, the earlier of two equal ones."""
        assert self._best is not None
        return self._best


def _order(epoch: Epoch) -> tuple[bool, float, int]:
    """Less is better. One without a validation loss is worse than all others."""
    missing = math.isnan(epoch.validation_loss)
    return missing, 0.0 if missing else epoch.validation_loss, epoch.epoch


def read_history(path: Path) -> list[Epoch]:
    """The epochs of a history.csv; one of an earlier version does not say where the seconds went."""
    with path.open(newline="") as file:
        return [
            Epoch(
                int(row["epoch"]),
                float(row["train_loss"]),
                float(row["validation_loss"]),
                float(row["seconds"]),
                int(row["rows"]),
                int(row["workers"]),
                Seconds(*(float(row.get(f"{name}_seconds", 0.0)) for name in _SPLIT)),
                float(row[_TEST_LOSS]) if row.get(_TEST_LOSS) else None,
            )
            for row in csv.DictReader(file)
        ]
