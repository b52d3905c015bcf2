"""The dense autoencoder of the paper, and its variations by configuration."""

from __future__ import annotations

import keras
from keras import layers

from recsys.config import ModelConfig
from recsys.models.autoencoder.keras_layers import dropped, encoded, model_of, normalised, regularizer


def build_autoencoder(movies: int, config: ModelConfig, seed: int) -> keras.Model:
    """An untrained model from rating arrays (batch, movies), scaled to [0, 1], to outputs of the same shape.

    The defaults of `config` are the paper's: Dense 150, 25, 150 with ReLU and a softmax over all movies. `seed` sets
    the weights; dropout draws from the generator of the process that trains.
    """
    keras.utils.set_random_seed(seed)
    ratings = keras.Input((movies,), name="ratings")
    entered, mean = normalised(ratings, config)
    hidden = encoded(entered, config)
    for number, width in enumerate(config.hidden[1:], start=2):
        dense = layers.Dense(
            width, activation=config.activation, kernel_regularizer=regularizer(config), name=f"hidden_{number}"
        )
        hidden = dropped(dense(hidden), config)
    return model_of(ratings, hidden, mean, config, "autoencoder")
