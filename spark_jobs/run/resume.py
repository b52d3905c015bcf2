"""What a run that was stopped goes on with: its own settings, and its data where they lay."""

from __future__ import annotations

import argparse
import itertools
import json
import re
from pathlib import Path
from typing import Any

from recsys.config import Config
from recsys.config.load import build_config, load_tree
from recsys.errors import UserError

_PATHS = ("ratings", "movies", "test_ratings", "data_dir")  # of the data table: as given where the run was started
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def config_to_resume(options: argparse.Namespace, experiments: Path) -> Config:
    """The settings of the run that is to go on; UserError where there is none, or where other settings are given.

    Spark's properties, which change no result, may be given anew. `options.prepared` is filled in where the run had
    prepared data; relative paths of data become absolute, by the directory that the run was started in.
    """
    folder = Path(options.resume)
    if options.output:
        raise UserError("--resume goes on in the run's own directory: leave --output out")
    if not (folder / "config.toml").is_file():
        raise UserError(f"--resume {folder}: no run directory of train (config.toml is missing)")
    if told(folder / "run.json").get("status") == "succeeded":
        raise UserError(f"--resume {folder}: this run has succeeded: nothing is left to do")
    stored = load_tree([folder / "config.toml"])
    asked = load_tree(options.config or [], options.set, experiments)
    if options.workers is not None:
        asked.setdefault("training", {})["workers"] = options.workers
    spark = asked.pop("spark", {})
    asked.pop("name", None)
    started = told(folder / "environment.json")
    directory = Path(str(started.get("directory", ".")))
    for tree in (stored, asked):
        tree["data"] = found_again(tree.get("data", {}), directory)
    _refuse_changes(folder, build_config(stored), asked)
    if not options.prepared and started.get("prepared"):
        options.prepared = str(directory / started["prepared"])
    return build_config({**stored, "spark": {**stored.get("spark", {}), **spark}})


def found_again(data: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The data table with paths that lie below the directory of the first start, where that is not this one.

    Others stay as they are: absolute ones, and such as Spark finds on a file system of its own.
    """
    found = dict(data)
    for key in _PATHS:
        path = data.get(key)
        if isinstance(path, str) and path and directory.resolve() != Path.cwd() and not SCHEME.match(path):
            there = directory / path
            if _without_wildcards(there).exists():
                found[key] = str(there)
    return found


def _without_wildcards(path: Path) -> Path:
    """The part of a glob that stands before its first wildcard."""
    plain = itertools.takewhile(lambda part: not set(part) & set("*?[{"), path.parts)
    return Path(*plain)


def _refuse_changes(folder: Path, config: Config, asked: dict[str, Any]) -> None:
    for key, value in sorted(_leaves(asked)):
        was: Any = config
        for name in key.split("."):
            was = getattr(was, name, None)
        if (list(was) if isinstance(was, tuple) else was) != value:
            raise UserError(
                f"--resume {folder}: this run has {key} = {was!r}, not {value!r}: leave {key} out, or start a new run"
            )


def told(path: Path) -> dict[str, Any]:
    """What a JSON file of the run says; nothing where it is missing or was cut off as it was written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, value in tree.items():
        found += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return found
