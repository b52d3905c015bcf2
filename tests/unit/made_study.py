"""Run directories of studies made by hand, for tests of their page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from recsys.config.search import Choices, Range, Space, write_space
from recsys.tuning.results import TrialRow, ranked, write_trials

SPACE: Space = {
    "model.factors": Range(low=4, high=128, scale="log", type="int"),
    "model.l2": Range(low=0.03, high=30, scale="log"),
    "model.solver": Choices(choices=("cholesky", "cg")),
}


def made_trials(count: int, space: Space, failed: Sequence[int] = (), pruned: Sequence[int] = ()) -> list[TrialRow]:
    """Trials at points of a lattice; the value is 0.9 + the mean square distance from 0.6 on each key's scale."""
    rows = []
    for number in range(count):
        places = [(0.37 + number * math.sqrt(prime)) % 1 for prime in _primes(len(space))]
        point = {key: _at(entry, at) for (key, entry), at in zip(space.items(), places, strict=True)}
        value = 0.9 + sum((at - 0.6) ** 2 for at in places) / len(places)
        state, reason = "complete", ""
        if number in failed:
            state, reason = "failed", f"the loss of epoch {number + 1} is not a number: a smaller learning_rate"
        if number in pruned:
            state, reason = "pruned", f"loss {value:.4f} after epoch 2"
        known = value if state == "complete" else None
        rows.append(TrialRow(None, number, state, known, 10, 1.0 + number % 7 / 4, 1.0, reason, point))
    return ranked(rows, larger_is_better=False)


def made_study(
    folder: Path,
    trials: Sequence[TrialRow],
    space: Space = SPACE,
    importance: Mapping[str, float] | None = None,
    final: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """A run directory of tune; without `final` one that was killed before the test."""
    folder.mkdir(parents=True)
    told = {"metric": "validation_rmse", "direction": "minimize", "sampler": "tpe", "pruner": "none", "seed": 1}
    (folder / "tune.json").write_text(json.dumps({**told, "trials": len(trials), "parallel": 1, **settings}))
    (folder / "config.toml").write_text(tomli_w.dumps({"model": {"kind": "als", "factors": 64, "l2": 1.0}}))
    write_space(space, folder / "space.toml")
    write_trials(trials, folder / "trials.csv")
    if importance is not None:
        (folder / "importance.json").write_text(json.dumps(importance))
    if final is not None:
        (folder / "final.json").write_text(json.dumps(final))
        (folder / "best.toml").write_text(tomli_w.dumps({"model": {"kind": "als", "factors": 34, "l2": 9.83}}))
    return folder


def made_final(tuned: Sequence[float], before: Sequence[float], notes: Sequence[str] = ()) -> dict[str, Any]:
    """What final.json says of a test with several seeds."""
    return {"metric": "rmse", "tuned": _estimate(tuned), "default": _estimate(before), "notes": list(notes)}


def _estimate(values: Sequence[float]) -> dict[str, Any]:
    mean = sum(values) / len(values)
    error = None
    if len(values) > 1:
        error = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    return {"figures": list(values), "mean": mean, "standard_error": error}


def _at(entry: Range | Choices, place: float) -> Any:
    if isinstance(entry, Range):
        return entry.at(place)
    return entry.value(entry.labels[int(place * len(entry.labels))])


def _primes(count: int) -> list[int]:
    return [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61][:count]
