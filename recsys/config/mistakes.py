"""What is wrong with settings, in words: pydantic's errors by key, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from recsys.config.keys import keys_of
from recsys.config.model import ModelConfig
from recsys.config.table import Table
from recsys.registries import FAMILIES

Tree = dict[str, Any]


def by_key(tree: Tree, error: ValidationError) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Pydantic's errors by the key that is wrong; what was tried of several types comes as one error each."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for item in error.errors():
        path: list[str] = []
        here: Any = tree
        for part in item["loc"]:
            if isinstance(here, Mapping) and part in here:
                here = here[str(part)]
            elif isinstance(here, list) and isinstance(part, int):
                here = here[part]
            else:
                break  # what follows names one of the types that would do
            path.append(str(part))
        found.setdefault(tuple(path), []).append(dict(item))
    return found


def without(tree: Tree, path: Sequence[str]) -> Tree:
    """The tree without that key; of a list's item the whole list is gone."""
    if not path or path[0] not in tree:
        return tree
    below = tree[path[0]]
    if len(path) > 1 and isinstance(below, Mapping):
        return {**tree, path[0]: without(dict(below), path[1:])}
    return {key: value for key, value in tree.items() if key != path[0]}


def touches(key: str, wrong: Sequence[str]) -> bool:
    """Whether the key, the table that it stands in, or something in it is among the wrong ones."""
    return any(f"{one}.".startswith(f"{key}.") or f"{key}.".startswith(f"{one}.") for one in wrong)


def explain(path: Sequence[str], errors: Sequence[dict[str, Any]], root: type[Table]) -> str:
    """One line for one wrong key: what is wrong, and the nearest valid key or value."""
    key, error = ".".join(path), errors[0]
    if error["type"] == "extra_forbidden":
        return f"unknown key {key}: {_nearest_key(path, root)}"
    if error["type"] == "literal_error":
        return f"{key} = {error['input']!r}: expected {error['ctx']['expected']}{_did_you_mean(error)}"
    messages = [str(one["msg"]).removeprefix("Value error, ") for one in errors]
    return f"{key} = {error['input']!r}: " + ", or ".join(text[0].lower() + text[1:] for text in messages)


def _did_you_mean(error: Mapping[str, Any]) -> str:
    values = re.findall(r"'([^']+)'", error["ctx"]["expected"])
    near = difflib.get_close_matches(str(error["input"]), values, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _nearest_key(path: Sequence[str], root: type[Table]) -> str:
    """The key that was meant: of another kind of model, of that name in another table, of a like name, or a list."""
    table: type[BaseModel] = root
    for part in path[:-1]:
        annotation = table.model_fields[part].annotation
        assert isinstance(annotation, type) and issubclass(annotation, Table)
        table = annotation
    prefix = "".join(f"{part}." for part in path[:-1])
    beside, last = list(table.model_fields), path[-1]
    if issubclass(table, ModelConfig):
        kinds = [kind for kind in FAMILIES.names() if last in FAMILIES.get(kind).Config.model_fields]
        if kinds:
            own = table.model_fields["kind"].default
            return f"it is a key of {prefix}kind = {' or '.join(map(repr, kinds))}, not of {own!r}"
    keys = [key for key, *_ in keys_of()]
    near = [key for key in keys if key.rsplit(".", 1)[-1] == last]
    near = near or [f"{prefix}{name}" for name in difflib.get_close_matches(last, beside, n=1, cutoff=0.6)]
    near = near or [key for key in keys if difflib.get_close_matches(last, [key.rsplit(".", 1)[-1]], cutoff=0.75)]
    if near:
        return f"did you mean {near[0]}?"
    return "there are " + ", ".join(f"{prefix}{name}" for name in beside)
