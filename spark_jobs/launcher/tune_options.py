"""The options of the job tune: read, checked before Spark starts, and those of the study that goes on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.config import Config
from recsys.config.ranges import Choices, Range, Space
from recsys.config.search import check_space, read_space, space_of
from recsys.errors import ConfigError, UserError
from recsys.json_files import read_json
from spark_jobs.launcher.recommend_options import positive

SAMPLERS, PRUNERS = ("tpe", "random", "grid", "cmaes"), ("auto", "median", "hyperband", "none")
_DEFAULTS: dict[str, Any] = {
    "trials": 100,
    "timeout": None,
    "parallel": None,
    "metric": None,
    "sampler": "tpe",
    "pruner": "auto",
    "fraction": 1.0,
    "seeds": 3,
}
_FREE = ("trials", "timeout", "parallel", "seeds")  # what a study that goes on may have otherwise
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def add_tune_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to the job's parser. What is not given is None, and filled in by `settle_tune`."""
    add = parser.add_argument
    add("--trials", type=positive, metavar="N", help="how many (default: 100)")
    add("--timeout", type=_seconds, metavar="TIME", help="begin no trial after so long, such as 90s, 30m or 2h")
    add("--parallel", type=positive, metavar="N", help="trials at once (default: one for each worker's cores)")
    add("--metric", metavar="NAME", help="the validation figure, such as validation_rmse or validation_ndcg@100")
    add("--space", metavar="FILE", help="what is searched, a TOML file (default: the family's own search space)")
    add("--sampler", choices=SAMPLERS, help="how points are chosen (default: tpe)")
    add(
        "--pruner",
        choices=PRUNERS,
        help="how bad trials are given up after an epoch (default: median where losses tell)",
    )
    add(
        "--fraction", type=_part, metavar="F",
        help="trials are of this part of the training users, the best of them once more of all (default: 1)",
    )  # fmt: skip
    add(
        "--seeds", type=_whole, metavar="N",
        help="how often the winner and the untuned settings are trained and tested at the end (default: 3)",
    )  # fmt: skip
    add("--prepared", metavar="DIR", help="a data set made by the job prepare, instead of [data]")
    add("--resume", metavar="RUN", help="continue a study, in its directory and with its settings")
    add("--page", metavar="RUN", help="write the page of a study as it is now, also of one that goes on or was killed")
    add("--export", metavar="RUN", help="write a run's study to study.db in its directory, for Optuna's dashboard")


def settle_tune(options: argparse.Namespace, config: Config) -> Space:
    """Fills in what was not given, and returns what is searched; ConfigError, or UserError, where anything is wrong.

    Args:
        options: the parsed options.
        config: the settings that are varied.
    """
    known: Mapping[str, Any] = _DEFAULTS
    file = options.space
    if options.resume:
        folder = Path(options.resume)
        known = read_json(folder / "tune.json")
        if not known:
            raise UserError(f"--resume {folder}: no trial was begun there (tune.json is missing): start a new run")
        if file is None:
            file = folder / "space.toml"
    wrong = []
    for name, default in _DEFAULTS.items():
        value = getattr(options, name)
        if value is None:
            setattr(options, name, known.get(name, default))
        elif options.resume and name not in _FREE and value != known.get(name):
            raise UserError(
                f"--resume {options.resume}: this study has --{name} {known.get(name)}, not {value}: leave --{name} out"
            )
    try:
        space = read_space(file, config) if file is not None else space_of(config)
        if file is None:
            check_space(space, config)
    except ConfigError as error:
        wrong += [f"--space: {error}"] if file is None else [str(error)]
    from recsys.evaluation.figure import figure_named  # late: it takes NumPy and SciPy

    try:
        figure_named(options.metric, config)
    except ConfigError as error:
        wrong.append(f"--{error}")
    if options.fraction < 1 and config.data.orientation == "movie":
        wrong.append("--fraction: a sample of users is no sample of movies' arrays: leave it out")
    if wrong:
        raise ConfigError("\n".join(wrong))
    return space


def given_words(options: argparse.Namespace) -> dict[str, Any]:
    """The options as the job's own command line has them: name -> value."""
    return {f"--{name}": getattr(options, name) for name in _DEFAULTS}


def space_as_tree(space: Space) -> dict[str, Any]:
    """The space as JSON can hold it."""
    return {key: entry.model_dump(mode="json") for key, entry in space.items()}


def space_from_tree(tree: Mapping[str, Any]) -> Space:
    """The space that `space_as_tree` made that of."""
    return {key: (Choices if "choices" in entry else Range).model_validate(entry) for key, entry in tree.items()}


def _whole(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0")
    return int(text)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a time, such as 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _part(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a part of all, above 0 and at most 1")
    return value
