"""The folder of a study: what it holds, and of which study it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.config.load import as_tree, build_config, leaves_of, load_tree, write_config
from recsys.config.ranges import Space
from recsys.config.run import Config
from recsys.config.search import read_space, write_space
from recsys.errors import UserError
from recsys.json_files import read_json, write_json

NOTES, TRIALS, SPACE, BEST, FINAL, IMPORTANCE = (
    "tune.json",
    "trials.csv",
    "space.toml",
    "best.toml",
    "final.json",
    "importance.json",
)
_FREE = ("trials", "timeout", "parallel", "seeds")  # what may be otherwise in a study that goes on


def begin_in(folder: Path, notes: Mapping[str, Any], space: Space, config: Config) -> None:
    """Writes what the study is of, or raises UserError where the folder has another study."""
    known = read_json(folder / NOTES)
    if known:
        changed = [key for key in notes if key not in _FREE and known.get(key) != notes[key]]
        changed += ["the search space"] if read_space(folder / SPACE) != dict(space) else []
        changed += _changed(build_config(load_tree([folder / "config.toml"])), config)
        if changed:
            raise UserError(f"{folder}: has a study with other settings ({', '.join(changed)}): name a new directory")
    write_config(config, folder / "config.toml")
    write_space(space, folder / SPACE)
    write_json(folder / NOTES, notes)


def _changed(before: Config, now: Config) -> list[str]:
    """Keys that differ and change what is learned."""
    one, other = (leaves_of(as_tree(config)) for config in (before, now))
    of_place = ("name", "data.data_dir", "data.ratings", "data.movies")
    keys = [key for key in {**one, **other} if key.split(".")[0] not in ("spark", "machine", "cost", "recommend")]
    return [key for key in keys if key not in of_place and one.get(key) != other.get(key)]
