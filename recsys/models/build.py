"""The model that the settings ask for, one family a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from recsys.config import ModelConfig
from recsys.models import autoencoder, linear, variational

# (pre-activations of "encoder" (batch, width), source of randomness) -> (input of "output", extra loss: a scalar)
Body = Callable[[Any, keras.random.SeedGenerator], tuple[Any, Any]]


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
    return autoencoder.build_autoencoder(movies, config, seed)


def training_body(model: keras.Model, config: ModelConfig) -> Body:
    """What lies between "encoder" and "output" in training, with dropout and, where variational, sampling.

    It works on the model's own layers: gradients flow into its weights. What "encoder" is fed (normalised, dropped
    out), and the squared kernels of model.l2 (`model.losses`), are the caller's.
    """
    if config.kind == "vae":
        return variational.training_body(model, config)
    if config.kind == "dae":
        return autoencoder.training_body(model, config)
    raise ValueError("model.kind = 'linear' has nothing to train")
