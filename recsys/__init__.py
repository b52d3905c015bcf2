"""Recommendations from ratings: sparse rating arrays, an autoencoder trained across Spark workers, its evaluation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys.config import Config
    from recsys.config.load import load_config
    from recsys.recommend.recommender import load_recommender
    from recsys.session import local_session

__all__ = ["Config", "load_config", "load_recommender", "local_session"]

_MODULES = {
    "Config": "recsys.config",
    "load_config": "recsys.config.load",
    "load_recommender": "recsys.recommend.recommender",
    "local_session": "recsys.session",
}


def __getattr__(name: str) -> Any:
    # on demand: the launcher needs recsys.config alone, and pandas and pyspark would cost it a second
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
