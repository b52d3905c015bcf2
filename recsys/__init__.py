"""Recommendations from ratings: sparse rating arrays, models trained across Spark workers, their evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from recsys.api import Model, evaluate, fit
    from recsys.config.load import load_config
    from recsys.config.run import Config
    from recsys.data.dataset import Dataset
    from recsys.recommend.recommender import Recommender
    from recsys.recommend.saved import load_recommender
    from recsys.session import local_session
    from recsys.tuning.tune import tune

__all__ = [
    "Config", "Dataset", "Model", "Recommender", "evaluate", "fit", "load_config", "load_recommender", "local_session",
    "tune",
]  # fmt: skip

# imported when they are used: a worker needs none of them, and loading a model neither Spark nor TensorFlow
__getattr__, _dir, _names = lazy_loader.attach(
    __name__,
    submod_attrs={
        "api": ["Model", "evaluate", "fit"],
        "config.load": ["load_config"],
        "config.run": ["Config"],
        "data.dataset": ["Dataset"],
        "recommend.recommender": ["Recommender"],
        "recommend.saved": ["load_recommender"],
        "session": ["local_session"],
        "tuning.tune": ["tune"],
    },
)
