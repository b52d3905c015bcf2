"""The model that the settings ask for, one family a file."""

from __future__ import annotations

import keras

from recsys.config import ModelConfig
from recsys.models.autoencoder import keras_dae as autoencoder
from recsys.models.autoencoder import keras_recvae as recvae
from recsys.models.autoencoder import keras_vae as variational
from recsys.models.ease import keras_path as linear


def build_model(movies: int, config: ModelConfig, seed: int) -> keras.Model:
    """An untrained model from rating arrays (batch, movies), scaled to [0, 1], to outputs of the same shape.

    It is made of Keras' own layers and operations alone, so that plain Keras loads it. Where it is trained, its first
    Dense layer is named "encoder" and linear, its last "output"; a linear path beside them, which training leaves
    as it is, is named "linear".
    """
    if config.kind == "linear":
        return linear.build_linear(movies)
    if config.kind == "vae":
        return variational.build_variational(movies, config, seed)
    if config.kind == "recvae":
        return recvae.build_recvae(movies, config, seed)
    return autoencoder.build_autoencoder(movies, config, seed)
