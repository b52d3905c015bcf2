"""What the families of autoencoders share: how rating arrays enter, hidden layers, and the output."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from recsys.config import ModelConfig
from recsys.models.autoencoder.kernels.normalisation import PRIOR_MEAN, PRIOR_RATINGS
from recsys.models.ease.keras_path import linear_path

ENCODER, OUTPUT = "encoder", "output"


def regularizer(config: ModelConfig) -> Any:
    """The squared kernels in the loss, or None."""
    return keras.regularizers.L2(config.l2) if config.l2 else None


def normalised(ratings: Any, config: ModelConfig) -> tuple[Any, Any]:
    """(rating arrays as they enter, what is added to the outputs of each (batch, 1) or None).

    By model.input_normalisation and model.input_scale; kernels/normalisation.py has the same in NumPy.
    """
    offset, entered = None, ratings
    if config.input_normalisation in ("center", "offset"):
        rated = ops.cast(ops.greater(ratings, 0.0), "float32")
        total, count = ops.sum(ratings, axis=-1, keepdims=True), ops.sum(rated, axis=-1, keepdims=True)
    if config.input_normalisation == "center":
        # The mean of what was rated is taken off what goes in and put back on what comes out.
        offset = total / ops.maximum(count, 1.0)
        # To length 1 as well: a user with a thousand ratings must not saturate units that serve one with twenty.
        entered = layers.UnitNormalization(axis=-1)((ratings - offset) * rated)
    elif config.input_normalisation == "l2":
        entered = layers.UnitNormalization(axis=-1)(ratings)
    elif config.input_normalisation == "offset":
        # What goes in stays as it is: less its mean a rating would say little of its being there at all.
        offset = (total + PRIOR_MEAN * PRIOR_RATINGS) / (count + PRIOR_RATINGS)
    return (entered if config.input_scale == 1 else entered * config.input_scale), offset


def encoded(entered: Any, config: ModelConfig) -> Any:
    """The first hidden layer: input dropout, the linear "encoder", its activation and dropout."""
    if config.input_dropout:
        entered = layers.Dropout(config.input_dropout)(entered)
    dense = layers.Dense(config.hidden[0], kernel_regularizer=regularizer(config), name=ENCODER)
    hidden = dense(entered)
    hidden = layers.Activation(config.activation, name="encoder_activation")(hidden)
    return dropped(hidden, config)


def dropped(hidden: Any, config: ModelConfig) -> Any:
    """A hidden layer with its dropout."""
    return layers.Dropout(config.dropout)(hidden) if config.dropout else hidden


def drawn_place(hidden: Any, config: ModelConfig) -> Any:
    """A variational model's latent place (batch, latent): "mean", in training with noise by "log_variance"."""
    mean = layers.Dense(config.latent, kernel_regularizer=regularizer(config), name="mean")(hidden)
    # small at first: an untrained variance of all sizes drowns the mean
    log_variance = layers.Dense(
        config.latent, kernel_initializer=keras.initializers.RandomNormal(stddev=0.001), name="log_variance"
    )(hidden)
    noise = layers.GaussianNoise(1.0)(ops.zeros_like(mean))
    return mean + noise * ops.exp(0.5 * log_variance)


def model_of(ratings: Any, hidden: Any, offset: Any, config: ModelConfig, name: str) -> keras.Model:
    """The model that ends in "output", with the arrays' offsets and the linear path added where there are any."""
    movies = ratings.shape[-1]
    activation = config.resolved_output_activation
    # beside offsets, which are a good guess already, a fifth of Keras' own start (Glorot and Bengio 2010)
    near = keras.initializers.VarianceScaling(0.04, "fan_avg", "uniform")
    start = near if config.input_normalisation == "offset" else "glorot_uniform"
    dense = layers.Dense(
        movies, activation, kernel_initializer=start, kernel_regularizer=regularizer(config), name=OUTPUT
    )
    outputs = dense(hidden)
    if offset is not None:
        outputs = outputs + offset
    if config.linear != "none":
        outputs = layers.Add(name="sum")([outputs, linear_path(ratings, movies)])
    return keras.Model(ratings, outputs, name=name)
