"""The variational autoencoder for likes (Mult-VAE, Liang et al. 2018, "Variational Autoencoders for Collaborative
Filtering", section 2): the users' place is a normal distribution whose mean is what recommends."""

from __future__ import annotations

import keras
from keras import layers, ops

from recsys.config import ModelConfig
from recsys.models._layers import dropped, encoded, model_of, normalised, regularizer


def build_variational(movies: int, config: ModelConfig, seed: int) -> keras.Model:
    """Hidden layers as an autoencoder's, "mean" and "log_variance" of the latent place (batch, latent), and the hidden
    layers again in reverse: hidden = [600], latent = 200 is the paper's 600-200-600.

    At inference the place is its mean. In training it is sampled: GaussianNoise, which adds nothing at inference,
    times the standard deviation. The divergence from the prior is no part of the model, but of its training
    (recsys.networks.inner).
    """
    keras.utils.set_random_seed(seed)
    kernel = regularizer(config)
    ratings = keras.Input((movies,), name="ratings")
    entered, shift = normalised(ratings, config)
    hidden = encoded(entered, config)
    for number, width in enumerate(config.hidden[1:], start=2):
        dense = layers.Dense(width, activation=config.activation, kernel_regularizer=kernel, name=f"hidden_{number}")
        hidden = dropped(dense(hidden), config)
    mean = layers.Dense(config.latent, kernel_regularizer=kernel, name="mean")(hidden)
    # small at first: an untrained variance of all sizes drowns the mean
    log_variance = layers.Dense(
        config.latent, kernel_initializer=keras.initializers.RandomNormal(stddev=0.001), name="log_variance"
    )(hidden)
    noise = layers.GaussianNoise(1.0)(ops.zeros_like(mean))
    hidden = mean + noise * ops.exp(0.5 * log_variance)
    for number, width in enumerate(reversed(config.hidden), start=1):
        dense = layers.Dense(width, activation=config.activation, kernel_regularizer=kernel, name=f"decoder_{number}")
        hidden = dropped(dense(hidden), config)
    return model_of(ratings, hidden, shift, config, "variational_autoencoder")
