"""Continues a run that was stopped: its own settings, and its data where they are."""

from __future__ import annotations

import argparse
import itertools
import re
from pathlib import Path
from typing import Any

from monitor.records import SUCCEEDED
from recsys.config import Config
from recsys.config.load import build_config, leaves_of, load_tree
from recsys.errors import UserError
from recsys.json_files import read_json

DATA_PATHS = (
    "ratings",
    "movies",
    "test_ratings",
    "data_dir",
)  # of the data table; relative ones refer to the directory where the run was started
_LIMIT = "max_seconds"  # of the training table; each call has it anew
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def config_to_resume(options: argparse.Namespace, experiments: Path, job: str = "train", again: bool = False) -> Config:
    """The settings of the run to continue; UserError where there is no such run, or where other settings are given.

    Spark's properties, what may be used of the machine, and training.max_seconds may differ: they change no result.
    A run of `job` that has succeeded is continued only where there is more to do, `again`.
    `options.prepared` is filled in where the run had prepared data. Relative paths of data become absolute, by the
    directory where the run was started.
    """
    folder = Path(options.resume)
    if options.output:
        raise UserError("--resume continues in the run's own directory: leave --output out")
    if not (folder / "config.toml").is_file():
        raise UserError(f"--resume {folder}: is no run directory of {job} (config.toml is missing)")
    if read_json(folder / "run.json").get("status") == SUCCEEDED and not again:
        raise UserError(f"--resume {folder}: this run has succeeded: nothing is left to do")
    stored = load_tree([folder / "config.toml"])
    asked = load_tree(options.config or [], options.set, experiments)
    if options.workers is not None:
        asked.setdefault("training", {})["workers"] = options.workers
    spark, machine = asked.pop("spark", {}), asked.pop("machine", {})
    asked.pop("name", None)
    training = asked.get("training")
    if isinstance(training, dict) and _LIMIT in training:
        stored.setdefault("training", {})[_LIMIT] = training.pop(_LIMIT)
    started = read_json(folder / "environment.json")
    directory = Path(str(started.get("directory", ".")))
    for tree in (stored, asked):
        tree["data"] = resolved_paths(tree.get("data", {}), directory)
    _refuse_changes(folder, build_config(stored), asked)
    if not options.prepared and started.get("prepared"):
        options.prepared = str(directory / started["prepared"])
    changed = {"spark": {**stored.get("spark", {}), **spark}, "machine": {**stored.get("machine", {}), **machine}}
    return build_config({**stored, **changed})


def resolved_paths(data: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The data table; relative paths that exist below `directory`, where that is not the current one, become absolute.

    Other paths stay: absolute ones, and those on a file system that only Spark reads.
    """
    resolved = dict(data)
    for key in DATA_PATHS:
        path = data.get(key)
        if isinstance(path, str) and path and directory.resolve() != Path.cwd() and not SCHEME.match(path):
            there = directory / path
            if _without_wildcards(there).exists():
                resolved[key] = str(there)
    return resolved


def _without_wildcards(path: Path) -> Path:
    """The part of a glob before its first wildcard."""
    plain = itertools.takewhile(lambda part: not set(part) & set("*?[{"), path.parts)
    return Path(*plain)


def _refuse_changes(folder: Path, config: Config, asked: dict[str, Any]) -> None:
    for key, value in sorted(leaves_of(asked).items()):
        was: Any = config
        for name in key.split("."):
            was = getattr(was, name, None)
        if (list(was) if isinstance(was, tuple) else was) != value:
            raise UserError(
                f"--resume {folder}: this run has {key} = {was!r}, not {value!r}: leave {key} out, or start a new run"
            )
