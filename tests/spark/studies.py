"""What tests of tuning share: ratings, settings of two families, and a study of one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bowl
import numpy as np
import pandas as pd

import recsys
from recsys.config.load import load_config
from recsys.config.search import Range
from recsys.tuning.results import TrialRow

ALS = {"model.l2": Range(low=0.1, high=10, scale="log"), "model.factors": Range(low=2, high=5, type="int")}


def ratings() -> pd.DataFrame:
    """60 users, 17 movies."""
    draw = np.random.default_rng(3)
    rows = [
        (user, movie, float(np.clip(round(3 + (1 if user % 2 == movie % 2 else -1) + draw.normal()), 1, 5)))
        for user in range(60)
        for movie in draw.choice(17, 9, replace=False)
    ]
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating"])


def settings(*more: str) -> recsys.Config:
    """Of the bowl."""
    return load_config(assignments=[f"model.kind={bowl.KIND!r}", "training.epochs=3", "data.split=rating", *more])


def als(*more: str) -> recsys.Config:
    """Of ALS, small."""
    return load_config(
        assignments=["model.kind=als", "model.factors=3", "training.epochs=2", "data.split=rating", *more]
    )


def tune(dataset: recsys.Dataset, config: recsys.Config, *args: Any, **more: Any) -> Any:
    """`recsys.tune` by the validation loss, one trial after the other, without the test at the end."""
    return recsys.tune(dataset, config, *args, **{"metric": "validation_loss", "seeds": 0, "parallel": 1, **more})


def without_seconds(rows: list[TrialRow]) -> list[TrialRow]:
    """The same rows, which took no time."""
    return [replace(row, seconds=0.0) for row in rows]
