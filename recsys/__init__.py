"""Recommendations from ratings: sparse rating arrays, an autoencoder trained across Spark workers, its evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys.recommend.recommender import load_recommender

__all__ = ["load_recommender"]


def __getattr__(name: str) -> Any:
    # on demand: the launcher needs recsys.config alone, and pandas and pyspark would cost it a second
    if name == "load_recommender":
        from recsys.recommend.recommender import load_recommender

        return load_recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
