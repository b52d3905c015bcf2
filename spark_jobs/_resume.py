"""What a run that was stopped goes on with: its own settings, and its data where they lay."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from recsys.config import Config
from recsys.errors import UserError
from recsys.settings import build_config, load_tree

_PATHS = ("ratings", "movies", "data_dir")  # of the data table: as the user gave them, where the run was started


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
    if _told(folder / "run.json").get("status") == "succeeded":
        raise UserError(f"--resume {folder}: this run has succeeded: nothing is left to do")
    stored = load_tree([folder / "config.toml"])
    asked = load_tree(options.config or [], options.set, experiments)
    if options.workers is not None:
        asked.setdefault("training", {})["workers"] = options.workers
    spark = asked.pop("spark", {})
    asked.pop("name", None)
    _refuse_changes(folder, build_config(stored), asked)
    started = _told(folder / "environment.json")
    options.prepared = options.prepared or started.get("prepared")
    data = dict(stored.get("data", {}))
    for key in _PATHS:
        path = data.get(key)
        if path and "directory" in started and "://" not in path:
            data[key] = str(Path(started["directory"]) / path)  # an absolute path stays what it is
    return build_config({**stored, "data": data, "spark": {**stored.get("spark", {}), **spark}})


def _refuse_changes(folder: Path, config: Config, asked: dict[str, Any]) -> None:
    for key, value in sorted(_leaves(asked)):
        was: Any = config
        for name in key.split("."):
            was = getattr(was, name, None)
        if (list(was) if isinstance(was, tuple) else was) != value:
            raise UserError(
                f"--resume {folder}: this run has {key} = {was!r}, not {value!r}: leave {key} out, or start a new run"
            )


def _told(path: Path) -> dict[str, Any]:
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
