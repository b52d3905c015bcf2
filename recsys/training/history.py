"""The loss curves of a run, on disk after every epoch."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Epoch:
    """One epoch: the master model's losses after it, what it took (both losses included), users trained."""

    epoch: int
    train_loss: float
    validation_loss: float
    seconds: float
    rows: int
    workers: int


class History:
    """Appends epochs to a CSV file, so that a killed run leaves all that were finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.epochs: list[Epoch] = []
        with path.open("w", newline="") as file:
            csv.writer(file).writerow([field.name for field in fields(Epoch)])

    def append(self, epoch: Epoch) -> None:
        """One more epoch."""
        self.epochs.append(epoch)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(asdict(epoch).values())

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss, the earlier of two equal ones."""
        return min(self.epochs, key=lambda one: (math.isnan(one.validation_loss), one.validation_loss, one.epoch))


def read_history(path: Path) -> list[Epoch]:
    """The epochs of a history.csv."""
    with path.open(newline="") as file:
        return [
            Epoch(
                int(row["epoch"]),
                float(row["train_loss"]),
                float(row["validation_loss"]),
                float(row["seconds"]),
                int(row["rows"]),
                int(row["workers"]),
            )
            for row in csv.DictReader(file)
        ]
