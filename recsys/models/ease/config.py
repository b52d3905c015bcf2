"""The settings of the linear item-item model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from recsys.config.model import ModelConfig
from recsys.config.ranges import Choices, Range
from recsys.config.table import key


class EaseConfig(ModelConfig):
    """kind = "linear": item-item weights in closed form (EASE, EDLAE) from the training users."""

    search: ClassVar[Mapping[str, Range | Choices]] = {
        "model.l2": Range(low=10, high=5000, scale="log"),
        "model.dropout": Range(low=0, high=0.9),
        "model.user_power": Range(low=0, high=0.6),
        "model.movie_power": Range(low=-0.2, high=0.6),
    }

    kind: str = key("linear", "linear: item-item weights in closed form (EASE, EDLAE)")
    loss: str = key("multinomial", "the loss that is reported; the weights do not depend on it")
    l2: float = key(500.0, "ridge of every movie", "ratings", gt=0)
    dropout: float = key(
        0.0, "fraction of the input that the ridge stands for dropping out (EDLAE)", "fraction", ge=0, lt=1
    )
    user_power: float = key(0.0, "a user of n ratings counts as n to minus twice this; 0.5 makes users equal", ge=0)
    movie_power: float = key(0.0, "scores are divided by the movie's number of training ratings to this power")

    renamed: ClassVar[Mapping[str, str]] = {
        "linear": "drop it: model.kind = 'linear' says it",
        "linear_l2": "model.l2",
        "linear_dropout": "model.dropout",
        "linear_user_power": "model.user_power",
        "linear_movie_power": "model.movie_power",
        "linear_weight": "drop it: it has a meaning in a sum alone, as model.second_weight",
    }
