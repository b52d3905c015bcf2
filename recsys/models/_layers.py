"""What the families of autoencoders share: how rating arrays enter, hidden layers, and the output."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from recsys.config import ModelConfig
from recsys.models.linear import linear_path

ENCODER, OUTPUT = "encoder", "output"


def regularizer(config: ModelConfig) -> Any:
    """The squared kernels in the loss, or None."""
    return keras.regularizers.L2(config.l2) if config.l2 else None


def normalised(ratings: Any, config: ModelConfig) -> tuple[Any, Any]:
    """(rating arrays as they enter, the users' means (batch, 1) or None), by model.input_normalisation."""
    if config.input_normalisation == "center":
        # The mean of what a user rated is taken off what goes in and put back on what comes out.
        rated = ops.cast(ops.greater(ratings, 0.0), "float32")
        mean = ops.sum(ratings, axis=-1, keepdims=True) / ops.maximum(ops.sum(rated, axis=-1, keepdims=True), 1.0)
        # To length 1 as well: a user with a thousand ratings must not saturate units that serve one with twenty.
        return layers.UnitNormalization(axis=-1)((ratings - mean) * rated), mean
    if config.input_normalisation == "l2":
        return layers.UnitNormalization(axis=-1)(ratings), None
    return ratings, None


def encoded(entered: Any, config: ModelConfig) -> Any:
    """The first hidden layer: input dropout, the linear "encoder", its activation and dropout."""
    if config.input_dropout:
        entered = layers.Dropout(config.input_dropout)(entered)
    kernel = regularizer(config)
    hidden = layers.Dense(config.hidden[0], kernel_regularizer=kernel, name=ENCODER)(entered)
    hidden = layers.Activation(config.activation, name="encoder_activation")(hidden)
    return dropped(hidden, config)


def dropped(hidden: Any, config: ModelConfig) -> Any:
    """A hidden layer with its dropout."""
    return layers.Dropout(config.dropout)(hidden) if config.dropout else hidden


def model_of(ratings: Any, hidden: Any, mean: Any, config: ModelConfig, name: str) -> keras.Model:
    """The model that ends in "output", with the users' means and the linear path added where there are any."""
    movies = ratings.shape[-1]
    activation = config.resolved_output_activation
    outputs = layers.Dense(movies, activation=activation, kernel_regularizer=regularizer(config), name=OUTPUT)(hidden)
    if mean is not None:
        outputs = outputs + mean
    if config.linear != "none":
        outputs = layers.Add(name="sum")([outputs, linear_path(ratings, movies)])
    return keras.Model(ratings, outputs, name=name)


def random_dropout(values: Any, rate: float, seed: keras.random.SeedGenerator) -> Any:
    """Dropout by the given source of randomness."""
    return keras.random.dropout(values, rate, seed=seed) if rate else values
