"""From files of ratings and movies to blocks of rating arrays, split into training, validation and test."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys.ratings.examples import Examples, Preprocessing
    from recsys.ratings.orientation import Arrays, rating_arrays
    from recsys.ratings.parts import Part, deal
    from recsys.ratings.pipeline import Prepared, prepare
    from recsys.ratings.rows import rating_rows
    from recsys.ratings.sources import Sources, find_sources, find_test_source
    from recsys.ratings.split import TEST, TRAIN, VALIDATION
    from recsys.ratings.store import load_prepared, save_prepared, with_prepared_data
    from recsys.ratings.test_file import find_test_entries

__all__ = [
    "TEST", "TRAIN", "VALIDATION", "Arrays", "Examples", "Part", "Prepared", "Preprocessing", "Sources", "deal",
    "find_sources", "find_test_entries", "find_test_source", "load_prepared", "prepare", "rating_arrays", "rating_rows",
    "save_prepared", "with_prepared_data",
]  # fmt: skip
_MODULES = {
    "examples": ("Examples", "Preprocessing"),
    "orientation": ("Arrays", "rating_arrays"),
    "parts": ("Part", "deal"),
    "pipeline": ("Prepared", "prepare"),
    "rows": ("rating_rows",),
    "sources": ("Sources", "find_sources", "find_test_source"),
    "split": ("TEST", "TRAIN", "VALIDATION"),
    "store": ("load_prepared", "save_prepared", "with_prepared_data"),
    "test_file": ("find_test_entries",),
}


def __getattr__(name: str) -> Any:
    # on demand: a Python worker needs one module, and starts in half a second instead of one and a half
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"recsys.ratings.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
