"""Settings files: found, read, laid one over the other, checked, listed and written."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from recsys.conf_folder import EXPERIMENTS
from recsys.config.data import OF_ANY_DATA, OWN_KEYS, DataConfig
from recsys.config.mistakes import by_key, explain, touches, without
from recsys.config.model import ModelConfig
from recsys.config.run import Config, config_class
from recsys.config.table import Complaint, Table
from recsys.errors import ConfigError
from recsys.registries import FAMILIES
from recsys.secrets import masked, unmasked

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Tree = dict[str, Any]
_AnyTable = TypeVar("_AnyTable", bound=Table)


def load_config(
    files: Sequence[str | Path | Mapping[str, Any]] = (),
    assignments: Iterable[str] = (),
    experiments: Path | None = EXPERIMENTS,
) -> Config:
    """The settings of the given TOML files, a later one over an earlier, then of the `key=value` assignments.

    In the place of a file may stand what one would hold.

    A name without a path is looked up in `experiments`, with or without `.toml`. Raises ConfigError with every
    mistake in one message.
    """
    return build_config(load_tree(files, assignments, experiments))


def load_tree(
    files: Sequence[str | Path | Mapping[str, Any]] = (),
    assignments: Iterable[str] = (),
    experiments: Path | None = EXPERIMENTS,
) -> Tree:
    """What files and assignments say together, not checked yet: the keys that somebody set, and no others."""
    tree: Tree = {}
    for file in files:
        if isinstance(file, Mapping):
            layer = dict(file)
        else:
            path = find_file(str(file), experiments)
            layer = read_toml(path)
            layer.setdefault("name", path.stem)
        if isinstance(layer.get("spark"), dict):
            layer["spark"] = unmasked(layer["spark"])  # a secret must be given again
        tree = overlay(tree, layer)
    own: Tree = {}
    for assignment in assignments:
        own = overlay(own, parse_assignment(assignment))
    return overlay(tree, own)


def build_config(tree: Mapping[str, Any]) -> Config:
    """The checked settings of a tree as it comes from TOML; ConfigError names every mistake at once."""
    tree = dict(tree)
    spark = tree.get("spark")
    if isinstance(spark, Mapping):
        tree["spark"] = dict(_flatten(spark, "spark"))
    lines: list[str] = []
    wrong: list[str] = []
    root = _class_for(tree, lines)
    for path, remedy in _renamed(tree.get("model"), root.model_fields["model"].annotation):
        lines.append(f"{'.'.join(path)} is not a key any more: {remedy}")
        wrong.append(".".join(path))
        tree = without(tree, path)
    return _build(root, tree, lines, wrong)


def build_data(settings: Mapping[str, Any]) -> DataConfig:
    """The checked data table alone, from its keys; ConfigError as of `build_config`."""
    return _build(_DataAlone, {"data": dict(settings)}, [], []).data


class _DataAlone(Table):
    data: DataConfig


def _build(root: type[_AnyTable], tree: Tree, lines: list[str], wrong: list[str]) -> _AnyTable:
    """The checked table. `lines` and `wrong` hold what is wrong already: messages, and the keys that they are of."""
    while True:
        data = tree.get("data", {})
        if isinstance(data, Mapping) and not {"dataset", "ratings"} & data.keys():
            tree["data"] = {**data, "dataset": "synthetic"}
        complaints: list[Complaint] = []
        try:
            # strict JSON: numbers are not read out of strings, but arrays may become tuples
            built = root.model_validate_json(json.dumps(tree, default=str), strict=True, context=complaints)
            break
        except ValidationError as error:
            # pydantic looks at combinations only where every key is fine: again, without the wrong ones
            found = by_key(tree, error)
            lines += [explain(path, errors, root) for path, errors in found.items()]
            wrong += [".".join(path) for path in found]
            if () in found:
                raise ConfigError("\n".join(lines)) from None
            for path in found:
                tree = without(tree, path)
    lines += [text for keys, text in complaints if not any(touches(key, wrong) for key in keys)]
    if lines:
        raise ConfigError("\n".join(dict.fromkeys(lines)))
    return built


def _class_for(tree: Tree, lines: list[str]) -> type[Config]:
    """The class that checks the tree, by its kind of model. An unknown kind is one more line, and taken out."""
    try:
        return config_class(tree.get("model"))
    except ConfigError as error:
        lines.append(str(error))
        tree["model"] = {}
        return config_class({})


def _renamed(table: Any, config: Any, prefix: tuple[str, ...] = ("model",)) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys of earlier versions in a model's table: (path, what to write instead)."""
    if not isinstance(table, Mapping) or not (isinstance(config, type) and issubclass(config, ModelConfig)):
        return
    for key, value in table.items():
        if key in config.renamed:
            remedy = config.renamed[key]
            yield (*prefix, key), remedy if " " in remedy else f"write {remedy}"
        elif key in config.model_fields and isinstance(value, Mapping):
            yield from _renamed(value, config.model_fields[key].annotation, (*prefix, key))


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
        leaf = value.strip() or value
    for part in reversed(parts):
        leaf = {part: leaf}
    return leaf


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    """`above` laid over `below`, key by key; new data or a new kind of model replace what goes with the old."""
    below_data, above_data = below.get("data"), above.get("data")
    if isinstance(below_data, Mapping) and isinstance(above_data, Mapping):
        below = {**below, "data": _still_of(below_data, above_data)}
    below_model, above_model = below.get("model"), above.get("model")
    if isinstance(below_model, Mapping) and isinstance(above_model, Mapping) and below_model:
        below = {**below, "model": _of_kind(below_model, above_model)}
    return _merge(below, above)


def _still_of(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    """The data table below without what does not go with the data that the table above names."""
    if "dataset" in above:
        gone = ("ratings", "movies", *OWN_KEYS)
        return {key: value for key, value in below.items() if key not in gone}
    if "ratings" in above and "ratings" not in below:
        # what an experiment says of its own data is not true of other data
        return {key: value for key, value in below.items() if key in OF_ANY_DATA}
    return dict(below)


def _of_kind(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    """The model table below without the keys that the kind of the table above does not have."""
    if "kind" not in above or above["kind"] == below.get("kind", ModelConfig.model_fields["kind"].default):
        return dict(below)
    try:
        known = FAMILIES.get(str(above["kind"])).Config.model_fields
    except ConfigError:  # said where the settings are checked
        return {}
    return {key: value for key, value in below.items() if key in known and key != "kind"}


def write_config(config: Config, path: Path) -> None:
    """Every setting as resolved, as TOML that `load_config` reads back; keys without a value are left out, and what
    looks like a secret is masked."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # whole or not at all, should the process be killed
    temporary.write_text(tomli_w.dumps(without_secrets(as_tree(config))), encoding="utf-8")
    temporary.replace(path)


def without_secrets(tree: Tree) -> Tree:
    """The settings with what looks like a secret masked."""
    return {**tree, "spark": masked(tree.get("spark", {}))}


def as_tree(config: Config) -> Tree:
    """The settings as a plain tree, without the keys that have no value or are foreign to the data's kind."""
    tree = config.model_dump(mode="json", exclude_none=True)
    return {**tree, "data": data_as_tree(config.data)}


def data_as_tree(data: DataConfig) -> Tree:
    """The data table as `as_tree` gives it."""
    tree = data.model_dump(mode="json", exclude_none=True)
    foreign = OWN_KEYS if data.dataset else ()
    return {key: value for key, value in tree.items() if key not in foreign}


def leaves_of(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every setting by its key, such as "model.l2"."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= leaves_of(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return leaves


def read_toml(path: Path) -> Tree:
    """What the file holds; ConfigError where it cannot be read."""
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
        full = key if f"{key}.".startswith("spark.") else f"{prefix}.{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, full)
        else:
            yield full, value


def _nearest(word: str, candidates: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else "there are " + ", ".join(candidates)
