"""Training across workers; `elephas_adapter` is the only importer of elephas."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys.training.history import read_history
    from recsys.training.trainer import train

__all__ = ["read_history", "train"]

_MODULES = {"read_history": "recsys.training.history", "train": "recsys.training.trainer"}


def __getattr__(name: str) -> Any:
    # on demand: workers import modules of this package, and need none of the TensorFlow that the trainer brings
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
