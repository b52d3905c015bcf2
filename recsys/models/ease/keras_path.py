"""The linear item-item path: all there is to a linear model, or beside an autoencoder's own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

LINEAR = "linear"


def linear_path(ratings: Any, movies: int) -> Any:
    """Outputs (batch, movies) of fixed weights, zero until `set_item_weights`, of rating arrays as they come."""
    dense = layers.Dense(movies, use_bias=False, kernel_initializer="zeros", trainable=False, name=LINEAR)
    return dense(ratings)


def build_linear(movies: int) -> keras.Model:
    """A model of the linear path alone."""
    ratings = keras.Input((movies,), name="ratings")
    return keras.Model(ratings, linear_path(ratings, movies), name="linear_model")


def set_item_weights(model: keras.Model, weights: np.ndarray) -> None:
    """Gives the linear path its weights (movies, movies)."""
    model.get_layer(LINEAR).set_weights([weights])
