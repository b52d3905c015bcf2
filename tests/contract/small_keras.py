"""A user's Keras models, for tests of kind = "keras"."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def build(movies: int) -> Any:
    """Not compiled, with dropout and a layer that keeps statistics."""
    return keras.Sequential(
        [
            keras.Input((movies,)),
            layers.Dropout(0.2),
            layers.Dense(8, activation="tanh"),
            layers.BatchNormalization(),
            layers.Dense(movies),
        ]
    )


def build_compiled(movies: int) -> Any:
    """Compiled by the user, with an optimizer that is not Adam."""
    model = keras.Sequential([keras.Input((movies,)), layers.Dense(8, activation="relu"), layers.Dense(movies)])
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="mean_squared_error")
    return model


def build_wrong(movies: int) -> Any:
    """One output too few."""
    return keras.Sequential([keras.Input((movies,)), layers.Dense(movies - 1)])
