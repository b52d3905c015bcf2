"""Points of a space, as settings have them and as a study has them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.config.ranges import Choices, Range, Space, label_of
from recsys.registries import FAMILIES

if TYPE_CHECKING:
    import optuna

KIND = "model.kind"


def grid_of(space: Space, trials: int) -> list[dict[str, Any]]:
    """At most so many points, evenly over each range on its scale: all choices, and of ranges two values at least."""
    ranges = [key for key, entry in space.items() if isinstance(entry, Range)]
    fixed = int(np.prod([len(entry.choices) for entry in space.values() if isinstance(entry, Choices)] or [1]))
    each = max(2, int((trials / fixed) ** (1 / max(1, len(ranges))) + 1e-9))
    axes = []
    for key, entry in space.items():
        if isinstance(entry, Choices):
            axes.append([(key, label) for label in entry.labels])
        else:
            values = dict.fromkeys(entry.at(place) for place in np.linspace(0, 1, each))
            axes.append([internal(key, entry, value) for value in values])
    return [dict(point) for point in itertools.product(*axes)]


def entries_of(space: Space, kind: Any) -> list[tuple[str, Range | Choices]]:
    """What of the space a kind of model has, its kind first; all of it where the kind is not searched."""
    if KIND not in space or kind is None:
        return list(space.items())
    fields = FAMILIES.get(str(kind)).Config.model_fields
    entries = [(key, entry) for key, entry in space.items() if key != KIND]
    own = [(key, entry) for key, entry in entries if not key.startswith("model.") or key.split(".")[1] in fields]
    return [(KIND, space[KIND]), *own]


def suggested(trial: optuna.trial.Trial, space: Space, before_each: Callable[[str], None]) -> dict[str, Any]:
    """The trial's point: of each kind of model the keys that it has. `before_each` is called with each key first."""

    def suggest(key: str, entry: Range | Choices) -> Any:
        before_each(key)
        return _suggest(trial, key, entry)

    kind = suggest(KIND, space[KIND]) if KIND in space else None
    return {key: suggest(key, entry) for key, entry in entries_of(space, kind)}


def _suggest(trial: optuna.trial.Trial, key: str, entry: Range | Choices) -> Any:
    name = name_in_study(key, entry)
    if isinstance(entry, Choices):
        return entry.value(str(trial.suggest_categorical(name, entry.labels)))
    if entry.scale == "reverse_log":
        return entry.value(entry.mirrored(trial.suggest_float(name, entry.low, entry.high, log=True)))
    log = entry.scale == "log"
    if entry.type == "int":
        return trial.suggest_int(name, int(entry.low), int(entry.high), log=log)
    return trial.suggest_float(name, entry.low, entry.high, log=log)


def name_in_study(key: str, entry: Range | Choices) -> str:
    """What the study calls a key: on a reverse_log scale it searches for what is left to low + high."""
    reverse = isinstance(entry, Range) and entry.scale == "reverse_log"
    return f"{entry.low + entry.high:g} - {key}" if reverse else key  # type: ignore[union-attr]


def internal(key: str, entry: Range | Choices, value: Any) -> tuple[str, Any]:
    """A setting as the study has it: (name, value)."""
    name = name_in_study(key, entry)
    if isinstance(entry, Choices):
        return name, label_of(value)
    if entry.scale == "reverse_log":
        return name, min(max(entry.mirrored(value), entry.low), entry.high)  # what is rounded may lie beyond an end
    return name, entry.value(value)
