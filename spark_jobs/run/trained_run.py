"""A trained model for a later job: its run directory, its settings, and its data where they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from recsys.config import Config
from recsys.config.load import as_tree, build_config, load_tree
from recsys.errors import UserError
from recsys.json_files import read_json
from spark_jobs.run.resume import resolved_paths

_CHANGEABLE = ("evaluation", "machine", "spark")  # tables that have no effect on what was trained, or on what data


def run_of(model: str | Path) -> Path:
    """The run directory of a model, given as the run directory or as its model folder."""
    path = Path(model).resolve()
    return path.parent if (path / "preprocessing.json").exists() else path


def config_of(folder: Path, remedy: str = "give the run directory of train") -> Config:
    """The settings that the model was trained with; UserError, with the remedy, where they are missing."""
    if not (folder / "config.toml").exists():
        raise UserError(f"{folder} has no config.toml that names the model's data: {remedy}")
    tree = load_tree([folder / "config.toml"])
    directory = read_json(folder / "environment.json").get("directory")
    if directory:
        tree["data"] = resolved_paths(tree.get("data", {}), Path(directory))
    return build_config(tree)


def config_to_evaluate(options: argparse.Namespace, experiments: Path) -> Config:
    """The model's settings with the user's for evaluation, machine and Spark; UserError where others are given.

    `options.prepared` is filled in where the model was trained on prepared data that still exist.
    """
    if not options.model:
        raise UserError("--model is needed: the run directory of a finished train")
    folder = run_of(options.model)
    config = config_of(folder)
    started = read_json(folder / "environment.json")
    if not options.prepared and started.get("prepared"):
        there = Path(str(started.get("directory", "."))) / str(started["prepared"])
        options.prepared = str(there) if there.exists() else None
    asked = load_tree(options.config or [], options.set, experiments)
    wrong = sorted(set(asked) - {*_CHANGEABLE, "name"})
    if wrong:
        raise UserError(
            f"evaluate takes {wrong[0]}.* from the model's own settings: leave it out; only "
            "evaluation.*, machine.* and spark.* may be set"
        )
    tree = as_tree(config)
    tree.pop("machine", None)  # that of the training: this one may be another
    for table in _CHANGEABLE:
        tree[table] = {**tree.get(table, {}), **asked.get(table, {})}
    if options.workers is not None:
        tree["training"]["workers"] = options.workers
    return build_config({**tree, "name": config.name})
