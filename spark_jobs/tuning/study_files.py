"""The files of a tuning run, read for its page: what is missing or broken is left out, as of a run that was killed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.cost.run_files import read_rows
from recsys.config.load import read_toml
from recsys.config.search import Choices, Range, Space, read_space
from recsys.errors import UserError
from recsys.json_files import read_json
from recsys.tuning.folder import BEST, FINAL, IMPORTANCE, NOTES, SPACE, TRIALS
from recsys.tuning.results import COMPLETE, FAILED, PRUNED, TrialRow, read_trials

STATES = (COMPLETE, PRUNED, FAILED)
BASE = "config.toml"


@dataclass(frozen=True)
class Study:
    """A study as its files tell it.

    Attributes:
        path: The run directory.
        settings: What tune.json says: metric, direction, sampler, pruner and so on.
        space: The range or the choices of each key.
        trials: All trials, by number.
        importance: The part of the values' variance that each key explains, from 0 to 1; empty where it is unknown.
        base: The settings that it began with.
        final: What final.json says: notes, and the test of the tuned settings and of those that it began with.
        best: best.toml as it is; None without it.
        losses: The lowest validation loss of each trial that has a value, by its number, where it is known.
    """

    path: Path
    settings: Mapping[str, Any]
    space: Space
    trials: Sequence[TrialRow]
    importance: Mapping[str, float]
    base: Mapping[str, Any]
    final: Mapping[str, Any] | None = None
    best: str | None = None
    losses: Mapping[int, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name: that of its directory."""
        return self.path.name

    @property
    def metric(self) -> str:
        """What the trials are compared by."""
        return str(self.settings.get("metric") or "value")

    @property
    def maximised(self) -> bool:
        """Whether a larger value is better."""
        return self.settings.get("direction") == "maximize"

    @property
    def ranked(self) -> list[TrialRow]:
        """The trials that have a rank, the best one first."""
        return sorted((row for row in self.trials if row.rank is not None), key=lambda row: row.rank or 0)

    @property
    def winner(self) -> TrialRow | None:
        """The best trial; None where none has a value."""
        return next(iter(self.ranked), None)

    @property
    def unchanged(self) -> bool:
        """Whether the best settings are those that the study began with."""
        winner = self.winner
        return winner is not None and all(self.default(key) == value for key, value in winner.parameters.items())

    @property
    def comparable(self) -> list[TrialRow]:
        """The trials with a value on as many users as any had, by number: only their values can be compared."""
        most = max((row.fraction for row in self.trials if row.value is not None), default=1.0)
        return [row for row in self.trials if row.value is not None and row.fraction >= most]

    @property
    def keys(self) -> list[str]:
        """The keys that were searched, those that matter most first."""
        return sorted(self.space, key=lambda key: -self.importance.get(key, 0.0))

    def in_state(self, state: str) -> list[TrialRow]:
        """The trials that are complete, pruned or failed."""
        return [row for row in self.trials if row.state == state]

    def better(self, value: float, other: float) -> bool:
        """Whether a value is better than another."""
        return value > other if self.maximised else value < other

    def worst_shown(self) -> float | None:
        """Values beyond this one are drawn at the edge, so that one trial that diverged does not press all others
        together; None where no trial has a value."""
        values = sorted((row.value for row in self.trials if row.value is not None), reverse=self.maximised)
        if not values:
            return None
        if len(values) < 4:
            return values[-1]
        quartile = statistics.quantiles(values, n=4)[0 if self.maximised else 2]
        # three times as far from the best as three quarters of all
        return quartile + 2 * (quartile - values[0])

    def default(self, key: str) -> Any:
        """What the settings that the study began with say of a key; None where that is unknown."""
        found: Any = self.base
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def read_study(run: str | Path) -> Study:
    """Reads the run directory of a study. UserError where it is none."""
    path = Path(run).resolve()
    settings = read_json(path / NOTES)
    if not settings:
        raise UserError(f"{run}: is not a tuning run: it has no {NOTES}")
    trials = read_trials(path / TRIALS) if (path / TRIALS).is_file() else []
    return Study(
        path=path,
        settings=settings,
        space=read_space(path / SPACE) if (path / SPACE).is_file() else {},
        trials=tuple(sorted(trials, key=lambda row: row.number)),
        importance={key: float(part) for key, part in read_json(path / IMPORTANCE).items()},
        base=read_toml(path / BASE) if (path / BASE).is_file() else {},
        final=read_json(path / FINAL) or None,
        best=_text(path / BEST),
        losses=dict(_losses(path, trials)),
    )


def place(entry: Range | Choices, value: Any) -> float | None:
    """Where a value is drawn between 0 and 1: on the range's scale, or in the middle of its choice's part."""
    if not entry.contains(value):
        return None
    if isinstance(entry, Range):
        return entry.place(float(value))
    known = [entry.value(label) for label in entry.labels]
    return (known.index(list(value) if isinstance(value, tuple) else value) + 0.5) / len(known)


def value_text(value: Any) -> str:
    """A setting's value with as many digits as say something: 34, 0.001, 9.83, [200, 200]."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value)


def _losses(path: Path, trials: Sequence[TrialRow]) -> Iterator[tuple[int, float]]:
    for row in trials:
        epochs = read_rows(path / "trials" / f"{row.number:05d}" / "history.csv") if row.value is not None else []
        losses = [float(epoch["validation_loss"]) for epoch in epochs if epoch.get("validation_loss")]
        known = [loss for loss in losses if math.isfinite(loss)]
        if known:
            yield row.number, min(known)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
