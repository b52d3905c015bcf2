"""Grid files: a table of a comparison as one TOML file, its base settings and what is varied.

title = "Memory limit and time"
config = "ml-1m"                      # experiments that the settings below are laid over
columns = ["wall_seconds", "pss_peak_bytes"]

[training]                            # settings, as in an experiment
epochs = 3

[vary]                                # every combination is run
machine.memory_gb = [1, 2]            # a setting and its values
data = [                              # or values with names, each of which is several settings
    { name = "small", data.scale = 0.01 },
    { name = "ml-1m", config = "ml-1m" },
]
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.conf_folder import GRIDS
from recsys.config.load import leaves_of, read_toml
from recsys.errors import UserError

_OF_POINT = ("name", "config")  # what is no setting of a point


@dataclass(frozen=True)
class Point:
    """A value of an axis that has a name and stands for several settings; `config` is an experiment below them."""

    name: str
    settings: Mapping[str, Any]
    config: str | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class GridFile:
    """A grid file.

    Attributes:
        title: The page's title.
        config: The experiments that its settings are laid over; without them the default experiment.
        settings: Its own settings, as an experiment has them.
        axes: Its keys and their values; a value is that of a setting, or a `Point`.
        columns: The figures that its table shows; empty for the usual ones.
    """

    title: str
    config: tuple[str, ...]
    settings: Mapping[str, Any]
    axes: Mapping[str, list[Any]]
    columns: tuple[str, ...]


def is_file(text: str) -> bool:
    """Whether a text of `--grid` names a file, and not a key with its values."""
    return "=" not in text


def read_grid_file(text: str) -> GridFile:
    """The grid file of that path, or of that name in conf/grids; UserError where there is none, or it is wrong."""
    path = _find(text)
    tree = read_toml(path)
    vary = tree.pop("vary", None)
    where = f"--grid {text}"
    if not isinstance(vary, Mapping) or not vary:
        raise UserError(f"{where}: has no table [vary] with keys and their values")
    config, columns, title = tree.pop("config", []), tree.pop("columns", []), tree.pop("title", path.stem)
    config = [config] if isinstance(config, str) else config
    for key, value in (("config", config), ("columns", columns)):
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise UserError(f"{where}: {key} = {value!r}: expected a list of texts")
    _check_columns(where, columns)
    axes = {key: _values(f"{where}: {key}", values) for key, values in leaves_of(vary).items()}
    return GridFile(str(title), tuple(config), {"name": path.stem, **tree}, axes, tuple(columns))


def _find(text: str) -> Path:
    names = sorted(path.stem for path in GRIDS.glob("*.toml"))
    if text in names:
        return GRIDS / f"{text}.toml"
    if Path(text).is_file():
        return Path(text)
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise UserError(
        f"--grid {text!r}: expected key=value,value such as training.workers=1,2 or model.hidden=[100],[200], or a "
        f"grid file: {hint}"
    )


def _values(where: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}: expected a list of values, such as [1, 2]")
    if not any(isinstance(value, Mapping) for value in values):
        return values
    if not all(isinstance(value, Mapping) and isinstance(value.get("name"), str) for value in values):
        raise UserError(f'{where}: each value needs a name beside its settings, as in {{ name = "small", ... }}')
    return [
        Point(value["name"], {key: part for key, part in value.items() if key not in _OF_POINT}, value.get("config"))
        for value in values
    ]


def _check_columns(where: str, columns: Sequence[str]) -> None:
    if not columns:
        return
    from monitor.compare import OWN_COLUMNS
    from spark_jobs.comparison.columns import FIELDS

    known = [column.name for column in (*OWN_COLUMNS, *FIELDS.grid_columns(columns))]
    wrong = [name for name in columns if name not in known]
    if wrong:
        near = difflib.get_close_matches(wrong[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"{where}: columns: no figure {wrong[0]}: {hint}")
