"""Registries: what a name in the settings stands for. A new entry is one file and one line.

An entry comes from this package (a table of paths), from an installed package (an entry point of the registry's group),
or from the settings themselves (`package.module:Class`).
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from collections.abc import Mapping
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
    """What `package.module:name` names.

    Args:
        path: the module and, behind a colon, the name in it.
        setting: the setting that holds the path, for messages.

    Raises:
        ConfigError: the module cannot be imported, or has nothing of that name.
    """
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(
            f"{setting}: {module_name} cannot be imported: {error}: install it, or mend the path"
        ) from None
    if not attribute or not hasattr(module, attribute):
        raise ConfigError(f"{setting}: {module_name} has no {attribute!r}: write package.module:name")
    found: type = getattr(module, attribute)
    return found
