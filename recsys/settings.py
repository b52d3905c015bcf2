"""Settings files: found, read, laid one over the other, checked, listed and written."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from recsys.config import Config, Table
from recsys.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Tree = dict[str, Any]

_FILE_KEYS = ("separator", "header", "encoding", "columns", "id_type", "rating_min", "rating_max")


def load_config(
    files: Sequence[str | Path] = (), assignments: Iterable[str] = (), experiments: Path | None = None
) -> Config:
    """The settings of the given TOML files, a later one over an earlier, then of the `key=value` assignments.

    A name without a path is looked up in `experiments`, with or without `.toml`. Raises ConfigError with every
    mistake in one message.
    """
    tree: Tree = {}
    for file in files:
        path = find_file(str(file), experiments)
        layer = _read(path)
        layer.setdefault("name", path.stem)
        tree = overlay(tree, layer)
    for assignment in assignments:
        tree = overlay(tree, parse_assignment(assignment))
    return build_config(tree)


def build_config(tree: Mapping[str, Any]) -> Config:
    """The checked settings of a tree as it comes from TOML; ConfigError names every mistake at once."""
    tree = dict(tree)
    spark = tree.get("spark")
    if isinstance(spark, Mapping):
        tree["spark"] = dict(_flatten(spark, "spark"))
    data = tree.get("data", {})
    if isinstance(data, Mapping) and not {"dataset", "ratings"} & data.keys():
        tree["data"] = {**data, "dataset": "synthetic"}
    try:
        # strict JSON: numbers are not read out of strings, but arrays may become tuples
        return Config.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        lines = [_explain(dict(item)) for item in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


def find_file(name: str, experiments: Path | None) -> Path:
    """The settings file of that path, or of that name in `experiments`."""
    if "/" not in name and not name.endswith(".toml"):
        candidates = sorted(path.stem for path in experiments.glob("*.toml")) if experiments else []
        if experiments and name in candidates:
            return experiments / f"{name}.toml"
        raise ConfigError(f"no experiment {name!r}: {_nearest(name, candidates)}; or give the path of a TOML file")
    path = Path(name)
    if not path.is_file() and "/" not in name and experiments and (experiments / name).is_file():
        return experiments / name
    if not path.is_file():
        raise ConfigError(f"{name}: no such settings file")
    return path


def parse_assignment(text: str) -> Tree:
    """`a.b=value` as a tree; the value is read as TOML, and as a plain string where it is none."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {text!r}: expected key=value, such as model.hidden=[200]")
    try:
        leaf = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        leaf = value.strip()
    for part in reversed(parts):
        leaf = {part: leaf}
    return leaf


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    """`above` laid over `below`, key by key; a new data set or new own ratings replace what was there of the other."""
    below_data, above_data = below.get("data"), above.get("data")
    if isinstance(below_data, Mapping) and isinstance(above_data, Mapping):
        gone: tuple[str, ...] = ()
        if "dataset" in above_data:
            gone = ("ratings", "movies", *_FILE_KEYS)
        elif "ratings" in above_data:
            gone = ("dataset",)
        below = {**below, "data": {key: value for key, value in below_data.items() if key not in gone}}
    return _merge(below, above)


def keys_of(table: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    """Every setting as (key, type, default, unit, documentation), tables opened."""
    for name, field in table.model_fields.items():
        key = f"{prefix}{name}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Table):
            yield from keys_of(annotation, f"{key}.")
            continue
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        yield key, _type_name(annotation), _default_text(field.default), unit, field.description or ""


def write_config(config: Config, path: Path) -> None:
    """Every setting as resolved, as TOML that `load_config` reads back; keys without a value are left out."""
    path.write_text(tomli_w.dumps(as_tree(config)), encoding="utf-8")


def as_tree(config: Config) -> Tree:
    """The settings as a plain tree, without the keys that have no value or are foreign to the data's kind."""
    tree = config.model_dump(mode="json", exclude_none=True)
    if config.data.dataset:
        for key in _FILE_KEYS:
            tree["data"].pop(key, None)
    return tree


def _read(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not readable as TOML: {error}") from None


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        full = key if key.startswith("spark.") else f"{prefix}.{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, full)
        else:
            yield full, value


def _explain(error: dict[str, Any]) -> str:
    """One line for one of pydantic's errors: the key, what is wrong, and the nearest valid key or value."""
    path = [str(part) for part in error["loc"] if not str(part).startswith(("literal[", "constrained-", "function-"))]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        known = [name for name, *_ in keys_of()] + list(Config.model_fields)
        return f"unknown key {key}: {_nearest(key, known)}"
    if error["type"] == "literal_error":
        expected = error["ctx"]["expected"]
        return f"{key} = {error['input']!r}: expected {expected}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if not key or (error["type"] == "value_error" and key.split(".")[-1] in Config.model_fields):
        return message
    return f"{key} = {error['input']!r}: {message[0].lower()}{message[1:]}"


def _nearest(word: str, candidates: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    tail = word.rsplit(".", 1)[-1]
    near = [name for name in candidates if name.rsplit(".", 1)[-1] == tail]
    near = near or [
        name for name in candidates if difflib.get_close_matches(tail, [name.rsplit(".", 1)[-1]], cutoff=0.75)
    ]
    return f"did you mean {near[0]}?" if near else "there are " + ", ".join(candidates)


def _type_name(annotation: Any) -> str:
    text = getattr(annotation, "__name__", "") if isinstance(annotation, type) else ""
    if not text or "[" in str(annotation):
        text = str(annotation).replace("typing.", "")
    if text.startswith(("Literal[", "Optional[")) or " | " in text:
        text = text.replace("Optional[", "").replace("Literal[", "").replace("]", "").replace(", ", " | ")
        text = text.removesuffix(" | None").replace("'", "")
    return text.replace("tuple[int, ...]", "list of int").replace("tuple[int | ...", "list of int")


def _default_text(value: Any) -> str:
    return "" if value is None else json.dumps(value)
