"""What the job compare runs: every combination of the varied settings, checked before anything starts."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.config import Config
from recsys.config.load import as_tree, build_config, load_tree, overlay, parse_assignment
from recsys.errors import ConfigError, UserError
from spark_jobs.comparison.grid_file import GridFile, Point, is_file, read_grid_file
from spark_jobs.launcher.installation import DEFAULT_EXPERIMENT

WORKERS, CONFIG = "workers", "config"
_PRICES = "cost"  # also of finished runs: prices change no run


@dataclass(frozen=True)
class Planned:
    """A planned run: its name, its settings, the varied ones among them, and the number of the repeat."""

    name: str
    config: Config
    varied: Mapping[str, Any]
    repeat: int

    @property
    def workers(self) -> int:
        """The training workers."""
        return self.config.training.workers

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that make it what it is: all but the prices, and where a data set lies."""
        tree = as_tree(self.config)
        tree.pop(_PRICES, None)
        tree["data"].pop("data_dir", None)
        return tree


def varied_keys(options: argparse.Namespace) -> list[str]:
    """The keys that are varied, in the order given; workers last unless they stand in the grid."""
    keys = list(_axes(options))
    return keys if WORKERS in keys else [*keys, WORKERS]


def grid_file(options: argparse.Namespace) -> GridFile | None:
    """The grid file among the values of --grid; None where all of them are keys. UserError for more than one."""
    files = [text for text in options.grid if is_file(text)]
    if len(files) > 1:
        raise UserError(f"--grid {files[0]} and --grid {files[1]}: only one grid file at a time; call compare for each")
    return read_grid_file(files[0]) if files else None


def layers(options: argparse.Namespace, config: str | None = None) -> list[str | Mapping[str, Any]]:
    """The settings files of a comparison, a later one over an earlier: a grid file's own lie over its experiments and
    over `config`, an experiment that is varied; --config lies over them all."""
    file, own = grid_file(options), options.config or []
    varied = [] if config is None else [config]
    if file is None:
        return [*own, *varied] or [DEFAULT_EXPERIMENT]
    return [*(file.config or ([] if varied else [DEFAULT_EXPERIMENT])), *varied, file.settings, *own]


def _axes(options: argparse.Namespace) -> dict[str, list[Any]]:
    """The varied keys and their values; those of the command line replace those of a grid file."""
    file = grid_file(options)
    own = dict(_unique(parse_grid(text) for text in options.grid if not is_file(text)))
    if WORKERS in own and options.workers:
        raise UserError("--workers and --grid workers=... set the same: leave one of them out")
    axes: dict[str, list[Any]] = {}
    for key, values in file.axes.items() if file else ():
        name = WORKERS if key == "training.workers" else key
        axes[name] = _whole(f"--grid: {key}", _once(f"--grid {key}", values)) if name == WORKERS else values
        _once(f"--grid {key}", [str(value) for value in values])
    axes |= own
    if options.workers:
        axes[WORKERS] = _once("--workers", options.workers)
    return axes


def plan(options: argparse.Namespace, base: Config, experiments: Path) -> list[Planned]:
    """All runs in the order in which they run. Repeats are interleaved, so that a slow hour affects all settings alike.

    UserError in one line for an unknown key, a value that does not fit, or a key that is given twice.
    """
    grid = _axes(options)
    if WORKERS not in grid:
        own = base.training.workers
        # compared with one worker unless something else is varied
        grid[WORKERS] = sorted({1, own} if not grid else {own})
    combined = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    tree = as_tree(base)
    made, wrong = [], []
    for varied in combined:
        try:
            shown = {key: value.name if isinstance(value, Point) else value for key, value in varied.items()}
            made.append((shown, _build(tree, options, varied, experiments)))
        except ConfigError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise ConfigError("\n".join(dict.fromkeys(wrong)))
    runs = [
        Planned(_name(config, varied, repeat), config, varied, repeat)
        for repeat in range(1, options.repeat + 1)
        for varied, config in made
    ]
    twice = [run.name for number, run in enumerate(runs) if run.name in {other.name for other in runs[:number]}]
    if twice:
        raise UserError(f"--grid: two combinations have the name {twice[0]}: give values that differ in letters")
    return runs


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """`key=v1,v2` as key and values; commas within brackets or quotes belong to a value."""
    key, equals, values = text.partition("=")
    key = key.strip()
    pieces = [piece.strip() for piece in _split(values)]
    if not equals or not key or not all(pieces):
        raise UserError(
            f"--grid {text!r}: expected key=value,value such as training.workers=1,2 or model.hidden=[100],[200]"
        )
    if key == "training.workers":
        key = WORKERS
    leaves = [_leaf(parse_assignment(f"{key}={piece}")) for piece in pieces]
    if key == WORKERS:
        _whole(f"--grid {text!r}", leaves)
    return key, _once(f"--grid {key}", leaves)


def _whole(where: str, values: list[Any]) -> list[Any]:
    if not all(isinstance(value, int) and value > 0 for value in values):
        raise UserError(f"{where}: expected whole numbers from 1")
    return values


def _split(text: str) -> list[str]:
    """Splits at commas outside of brackets and quotes."""
    return re.findall(r"(?:\[[^\]]*\]|\"[^\"]*\"|'[^']*'|[^,\[\"'])+|(?<=,)(?=,|$)|^(?=,|$)", text)


def _leaf(tree: Any) -> Any:
    while isinstance(tree, Mapping) and len(tree) == 1:
        (tree,) = tree.values()
    return tree


def _once(where: str, values: Sequence[Any]) -> list[Any]:
    twice = [value for number, value in enumerate(values) if value in values[:number]]
    if twice:
        raise UserError(f"{where}: {twice[0]} is given twice: --repeat N runs everything N times")
    return list(values)


def _unique(pairs: Iterable[tuple[str, list[Any]]]) -> list[tuple[str, list[Any]]]:
    items = list(pairs)
    _once("--grid", [key for key, _ in items])
    return items


def _build(
    tree: Mapping[str, Any], options: argparse.Namespace, varied: Mapping[str, Any], experiments: Path
) -> Config:
    """The base with the varied settings. Another experiment is applied before --set and the other keys."""
    made = dict(tree)
    points = [value for value in varied.values() if isinstance(value, Point)]
    named = [str(varied[CONFIG])] if CONFIG in varied else []
    for config in [*named, *(point.config for point in points if point.config)]:
        made = load_tree(layers(options, config), options.set, experiments)
        made["name"] = Path(config).stem
    for key, value in varied.items():
        if isinstance(value, Point):
            made = overlay(made, value.settings)
        elif key != CONFIG:
            made = overlay(made, _tree("training.workers" if key == WORKERS else key, value))
    return build_config(made)


def _tree(key: str, value: Any) -> dict[str, Any]:
    # Spark's own names begin with spark. and stand in a table of that name
    parts = ["spark", key] if key.startswith("spark.") else key.split(".")
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def _name(config: Config, varied: Mapping[str, Any], repeat: int) -> str:
    """Such as quickstart-year_to=1960-8w-1: what was varied, the workers, the repeat."""
    words = [config.name]
    for key, value in varied.items():
        if key not in (WORKERS, CONFIG):
            words.append(
                f"{key.removeprefix('spark.') if key.startswith('spark.') else key.rpartition('.')[2]}={value}"
            )
    text = "-".join([*words, f"{config.training.workers}w", str(repeat)])
    return re.sub(r"[^A-Za-z0-9_.=+-]+", "_", text)
