"""Search spaces: read from TOML files, checked against the settings that they vary, and written.

[space]
"model.factors" = { low = 8, high = 512, scale = "log", type = "int" }
"model.l2" = { low = 0.01, high = 10, scale = "log" }
"model.solver" = { choices = ["cholesky", "cg"] }
"""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from recsys.config.keys import keys_of
from recsys.config.load import Tree, as_tree, build_config, overlay, read_toml
from recsys.config.ranges import Choices, Range, Space
from recsys.config.run import Config
from recsys.errors import ConfigError
from recsys.registries import FAMILIES

__all__ = ["Choices", "Range", "Space", "check_space", "made_of", "read_space", "space_of", "write_space"]

_SEARCHED = ("model", "training")
_KIND = "model.kind"
_ELSEWHERE = 8  # points at which a value is tried that does not go with the settings themselves
# what a trial is allowed to take is the study's to say, and what is written for a person to see is of no trial
_FIXED = ("training.workers", "training.max_seconds", "training.checkpoint_seconds", "training.test_loss")


def space_of(config: Config) -> Space:
    """The search space that the family of the settings' model publishes. ConfigError where it has none."""
    space = config.model.search_space()
    if not space:
        raise ConfigError(
            f"model.kind = {config.model.kind!r} has no search space of its own: write one in a file and name it with "
            "--space FILE"
        )
    return space


def read_space(file: str | Path, config: Config | None = None) -> Space:
    """The search space of a TOML file. ConfigError names every mistake at once.

    Args:
        file: its path.
        config: the settings that it is to vary; with them the space is also checked as by `check_space`.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file with a search space")
    tree = read_toml(path)
    table = tree.get("space")
    if not isinstance(table, Mapping) or not table:
        raise ConfigError(f'{path}: has no table [space] with keys such as "model.l2" = {{ low = 0.1, high = 10 }}')
    wrong = [f"unknown table or key {key}: only [space] is read" for key in tree if key != "space"]
    space: dict[str, Range | Choices] = {}
    for key, entry in _entries(table):
        made, mistakes = _parsed(key, entry)
        wrong += mistakes
        if made is not None:
            space[key] = made
        elif config is not None and key not in _keys():
            wrong += _refused_values(as_tree(config), key, [0])[:1]
    wrong += _mistakes(space, config) if config is not None else []
    if wrong:
        raise ConfigError("\n".join(f"{path}: {text}" for text in dict.fromkeys(wrong)))
    return space


def check_space(space: Space, config: Config) -> None:
    """Raises ConfigError with all mistakes: keys that there are not or that no trial may change, and ends of ranges
    or choices that the settings refuse."""
    if not space:
        raise ConfigError("the search space is empty: name at least one key")
    if wrong := _mistakes(space, config):
        raise ConfigError("\n".join(dict.fromkeys(wrong)))


def made_of(point: Mapping[str, Any]) -> Tree:
    """A point, {"model.l2": 0.1}, as a tree of settings, {"model": {"l2": 0.1}}."""
    tree: Tree = {}
    for key, value in point.items():
        leaf: Any = value
        for part in reversed(key.split(".")):
            leaf = {part: leaf}
        tree = overlay(tree, leaf)
    return tree


def write_space(space: Space, path: Path) -> None:
    """Writes the space so that `read_space` reads it back."""
    table = {key: entry.model_dump(mode="json") for key, entry in space.items()}
    path.write_text(tomli_w.dumps({"space": table}), encoding="utf-8")


def _entries(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The keys with what stands for them; `model.l2 = {...}` without quotes is a table within a table."""
    for key, value in table.items():
        if isinstance(value, Mapping) and value and all(isinstance(part, Mapping) for part in value.values()):
            yield from _entries(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _parsed(key: str, entry: Any) -> tuple[Range | Choices | None, list[str]]:
    """What a file says of a key, and what is wrong with it."""
    if not isinstance(entry, Mapping) or not {"low", "high", "choices"} & entry.keys():
        return None, [f"{key} = {entry!r}: expected {{ low = ..., high = ... }} or {{ choices = [...] }}"]
    table = Choices if "choices" in entry else Range
    try:
        return table.model_validate(dict(entry)), []
    except ValidationError as error:
        return None, [f"{key}: {text}" for text in _explained(error, table)]


def _explained(error: ValidationError, table: type[Range] | type[Choices]) -> Iterator[str]:
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, table.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(table.model_fields)}"
            yield f"unknown key {name}: {hint}"
        elif item["type"] == "missing":
            yield f"{name} is missing"
        elif name:
            yield f"{name} = {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}"
        else:
            yield str(item["msg"]).removeprefix("Value error, ")


def _mistakes(space: Space, config: Config) -> list[str]:
    wrong: list[str] = []
    tree = as_tree(config)
    for key, entry in space.items():
        if key in _FIXED or (key in _keys() and key.partition(".")[0] not in _SEARCHED):
            wrong.append(
                f"{key}: all trials have the same data, workers and measure: only keys of model and training that "
                "change what is learned can be searched"
            )
            continue
        wrong += _refused(tree, space, key, entry)
    return wrong


def _refused(tree: Tree, space: Space, key: str, entry: Range | Choices) -> list[str]:
    """What the settings say against the ends of a range, or against a choice, on its own."""
    bases = [tree]
    kinds = space.get(_KIND)
    if isinstance(kinds, Choices) and key.startswith("model.") and key != _KIND:
        # a key may be of one kind alone: it is enough that this one takes it
        name = key.split(".")[1]
        having = [kind for kind in map(str, kinds.choices) if name in _fields(kind)]
        bases = [overlay(tree, {"model": {"kind": kind}}) for kind in having] or bases
    values = list(entry.choices) if isinstance(entry, Choices) else [*entry.ends, entry.at(0.37)]
    wrong = []
    for value in values:
        found = [_refused_values(base, key, [value]) for base in bases]
        # what does not go with the settings may go with other values of the searched keys
        if all(found) and all(_refused_values(point, key, [value]) for point in _elsewhere(bases[0], space, key)):
            wrong += found[0]
    unknown = [text for text in wrong if text.startswith("unknown key")]
    return unknown[:1] or wrong


def _elsewhere(tree: Tree, space: Space, key: str) -> Iterator[Tree]:
    """The settings with some values of the other searched keys."""
    others = {other: entry for other, entry in space.items() if other not in (key, _KIND)}
    for number in range(_ELSEWHERE if others else 0):
        point = {}
        for position, (other, entry) in enumerate(others.items()):
            place = (number * (2 * position + 1) + position) % _ELSEWHERE / (_ELSEWHERE - 1)
            if isinstance(entry, Range):
                point[other] = entry.at(place)
            else:
                point[other] = entry.value(entry.labels[round(place * (len(entry.labels) - 1))])
        yield overlay(tree, made_of(point))


def _refused_values(tree: Tree, key: str, values: list[Any]) -> list[str]:
    wrong = []
    for value in values:
        try:
            build_config(overlay(tree, made_of({key: list(value) if isinstance(value, tuple) else value})))
        except ConfigError as error:
            wrong += [
                f"{key} takes whole numbers: set type = 'int'" if "valid integer" in text else text
                for text in str(error).splitlines()
            ]
    return wrong


def _fields(kind: str) -> Container[str]:
    """The keys of a kind of model; none where there is no such kind, which is said where the kind is checked."""
    try:
        return FAMILIES.get(kind).Config.model_fields
    except ConfigError:
        return ()


def _keys() -> set[str]:
    return {key for key, *_ in keys_of()}
