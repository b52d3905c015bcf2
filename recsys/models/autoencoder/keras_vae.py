"""The variational autoencoder for likes (Mult-VAE, Liang et al. 2018, "Variational Autoencoders for Collaborative
Filtering", section 2): the users' place is a normal distribution whose mean is what recommends."""

from __future__ import annotations

import keras
from keras import layers

from recsys.config import ModelConfig
from recsys.models.autoencoder.keras_layers import (
    drawn_place,
    dropped,
    encoded,
    model_of,
    normalised,
    regularizer,
)


def build_variational(movies: int, config: ModelConfig, seed: int) -> keras.Model:
    """Hidden layers as an autoencoder's, "mean" and "log_variance" of the latent place (batch, latent), and the hidden
    layers again in reverse: hidden = [600], latent = 200 is the paper's 600-200-600.

    At inference the place is its mean. In training it is sampled: GaussianNoise, which adds nothing at inference,
    times the standard deviation. The divergence from the prior is no part of the model, but of its training
    (recsys.models.autoencoder.kernels.hidden_layers).
    """
    keras.utils.set_random_seed(seed)
    kernel = regularizer(config)
    ratings = keras.Input((movies,), name="ratings")
    entered, shift = normalised(ratings, config)
    hidden = encoded(entered, config)
    for number, width in enumerate(config.hidden[1:], start=2):
        dense = layers.Dense(width, activation=config.activation, kernel_regularizer=kernel, name=f"hidden_{number}")
        hidden = dropped(dense(hidden), config)
    hidden = drawn_place(hidden, config)
    for number, width in enumerate(reversed(config.hidden), start=1):
        dense = layers.Dense(width, activation=config.activation, kernel_regularizer=kernel, name=f"decoder_{number}")
        hidden = dropped(dense(hidden), config)
    return model_of(ratings, hidden, shift, config, "variational_autoencoder")
