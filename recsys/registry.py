"""Registries: what a name in the settings stands for. A new entry is one file and one line.

An entry comes from this package (a table of paths), from an installed package (an entry point of the registry's group),
or from the settings themselves (`package.module:Class` or `folder/file.py:Class`).
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from recsys.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes by name, imported when they are first asked for.

    Args:
        what: what an entry is, for messages: "kind of model".
        key: the setting that names entries: "model.kind".
        group: the entry-point group in which other packages register theirs.
        paths: the entries of this package, name -> "module:Class".
    """

    def __init__(self, what: str, key: str, group: str, paths: Mapping[str, str]) -> None:
        self.what, self.key, self.group = what, key, group
        self._paths = dict(paths)
        self._classes: dict[str, type[T]] = {}

    def names(self) -> list[str]:
        """All registered names, those of this package first."""
        others = sorted(entry.name for entry in importlib.metadata.entry_points(group=self.group))
        return list(dict.fromkeys([*self._paths, *others]))

    def register(self, name: str, entry: type[T]) -> None:
        """Adds a class under a name, for this process alone."""
        self._classes[name] = entry

    def get(self, name: str) -> type[T]:
        """The class of that name, or at that path.

        Raises:
            ConfigError: nothing has that name, or what has it cannot be imported.
        """
        if name not in self._classes:
            self._classes[name] = self._import(name)
        return self._classes[name]

    def _import(self, name: str) -> type[T]:
        path = self._paths.get(name, name if ":" in name else "")
        if not path:
            entries = importlib.metadata.entry_points(group=self.group, name=name)
            path = next((entry.value for entry in entries), "")
        if not path:
            near = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.names())}"
            raise ConfigError(f"{self.key} = {name!r}: no such {self.what}: {hint}; or give package.module:Class")
        return import_path(path, f"{self.key} = {name!r}")


def import_path(path: str, setting: str) -> type:
    """What `package.module:name` or `folder/file.py:name` names.

    Args:
        path: the module or the file and, behind a colon, the name in it.
        setting: the setting that holds the path, for messages.

    Raises:
        ConfigError: the module cannot be imported, or has nothing of that name.
    """
    source, _, attribute = path.rpartition(":")
    try:
        module = _import_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except (ImportError, OSError) as error:
        why = f"{source} cannot be imported: {error}"
        raise ConfigError(f"{setting}: {why}: install it, or mend the path") from None
    if not attribute or not hasattr(module, attribute):
        raise ConfigError(f"{setting}: {source} has no {attribute!r}: write package.module:name")
    found: type = getattr(module, attribute)
    return found


def _import_file(path: Path) -> ModuleType:
    """The module in a file, under the file's own name, as if its folder had been on the path."""
    path = path.resolve()
    known = sys.modules.get(path.stem)
    if known is not None:
        if getattr(known, "__file__", None) == str(path):
            return known
        raise ImportError(f"a module named {path.stem} is imported already: give the file another name")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError("there is no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
