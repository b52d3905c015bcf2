"""What trials came to: ranked, as rows of trials.csv."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recsys.config.ranges import label_of

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
COLUMNS = ("rank", "trial", "state", "value", "epochs", "seconds", "fraction", "reason")


@dataclass(frozen=True)
class TrialRow:
    """A trial that has ended.

    Attributes:
        rank: from 1, the best; None of a trial without a value.
        number: from 0, in the order in which trials were asked for.
        state: "complete", "pruned" or "failed".
        value: the validation figure; None where the trial is not complete.
        epochs: how many were trained.
        seconds: that it took.
        fraction: the part of the training users that it was trained on.
        reason: why it failed, or where it was pruned.
        parameters: the values of the searched keys.
    """

    rank: int | None
    number: int
    state: str
    value: float | None
    epochs: int
    seconds: float
    fraction: float
    reason: str
    parameters: dict[str, Any] = field(default_factory=dict)


def ranked(rows: Iterable[TrialRow], larger_is_better: bool) -> list[TrialRow]:
    """The rows, best first: those on all training users before those on a sample; then pruned and failed ones."""
    sign = -1.0 if larger_is_better else 1.0

    def order(row: TrialRow) -> tuple[float, float, int]:
        return -row.fraction, sign * (row.value or 0.0), row.number

    rows = list(rows)
    with_value = sorted((row for row in rows if row.value is not None), key=order)
    others = sorted((row for row in rows if row.value is None), key=lambda row: (row.state != PRUNED, row.number))
    return [replace(row, rank=rank) for rank, row in enumerate(with_value, 1)] + [
        replace(row, rank=None) for row in others
    ]


def write_trials(rows: Sequence[TrialRow], path: Path) -> None:
    """Writes the rows, whole or not at all; a column for each key that one of them has."""
    keys = list(dict.fromkeys(key for row in sorted(rows, key=lambda row: row.number) for key in row.parameters))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *keys])
        for row in rows:
            own = [row.rank, row.number, row.state, row.value, row.epochs, round(row.seconds, 3), row.fraction]
            values = [label_of(row.parameters[key]) if key in row.parameters else None for key in keys]
            writer.writerow([*own, row.reason, *values])
    temporary.replace(path)


def read_trials(path: Path) -> list[TrialRow]:
    """The rows of a trials.csv, in its order."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            TrialRow(
                int(row["rank"]) if row["rank"] else None,
                int(row["trial"]),
                row["state"],
                float(row["value"]) if row["value"] else None,
                int(row["epochs"]),
                float(row["seconds"]),
                float(row["fraction"]),
                row["reason"],
                {key: _value(text) for key, text in row.items() if key not in COLUMNS and text != ""},
            )
            for row in csv.DictReader(file)
        ]


def most_common_reason(rows: Iterable[TrialRow]) -> tuple[str, int]:
    """The reason of most of the failed trials, and of how many; "" where none failed."""
    counted = Counter(row.reason for row in rows if row.state == FAILED).most_common(1)
    return counted[0] if counted else ("", 0)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
