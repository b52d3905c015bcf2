"""The dense autoencoder of the paper, and its variations by configuration."""

from __future__ import annotations

import keras
from keras import layers, ops

from recsys.config import ModelConfig
from recsys.models.offsets import PRIOR_MEAN, PRIOR_RATINGS


def build_autoencoder(movies: int, config: ModelConfig, seed: int) -> keras.Model:
    """An untrained model from rating arrays (batch, movies), scaled to [0, 1], to outputs of the same shape.

    The defaults of `config` are the paper's: Dense 150, 25, 150 with ReLU and a softmax over all movies. It is made
    of Keras' own layers and operations alone, so that plain Keras loads it. `seed` sets the weights; dropout draws
    from the generator of the process that trains.
    """
    keras.utils.set_random_seed(seed)
    regularizer = keras.regularizers.L2(config.l2) if config.l2 else None
    ratings = hidden = keras.Input((movies,), name="ratings")
    offset = None
    if config.input_normalisation in ("center", "offset"):
        rated = ops.cast(ops.greater(ratings, 0.0), "float32")
        total, count = ops.sum(ratings, axis=-1, keepdims=True), ops.sum(rated, axis=-1, keepdims=True)
    if config.input_normalisation == "center":
        # The mean of what was rated is taken off what goes in and put back on what comes out.
        offset = total / ops.maximum(count, 1.0)
        # To length 1 as well: a user with a thousand ratings must not saturate units that serve one with twenty.
        hidden = layers.UnitNormalization(axis=-1)((ratings - offset) * rated)
    elif config.input_normalisation == "l2":
        hidden = layers.UnitNormalization(axis=-1)(ratings)
    elif config.input_normalisation == "offset":
        # What goes in stays as it is: less its mean a rating would say little of its being there at all.
        offset = (total + PRIOR_MEAN * PRIOR_RATINGS) / (count + PRIOR_RATINGS)
    if config.input_scale != 1:
        hidden = hidden * config.input_scale
    if config.input_dropout:
        hidden = layers.Dropout(config.input_dropout)(hidden)
    # Keras' own start (Glorot and Bengio 2010), the first layer's such that its sums do not depend on the input's scale
    starts = [keras.initializers.VarianceScaling(config.input_scale**-2, "fan_avg", "uniform")]
    starts += ["glorot_uniform"] * (len(config.hidden) - 1)
    for width, start in zip(config.hidden, starts, strict=True):
        hidden = layers.Dense(
            width, activation=config.activation, kernel_initializer=start, kernel_regularizer=regularizer
        )(hidden)
        if config.dropout:
            hidden = layers.Dropout(config.dropout)(hidden)
    output = layers.Dense(
        movies, activation=config.resolved_output_activation, kernel_regularizer=regularizer, name="output"
    )(hidden)
    if offset is not None:
        output = output + offset
    return keras.Model(ratings, output, name="autoencoder")
