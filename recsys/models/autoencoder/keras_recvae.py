"""RecVAE (Shenbin et al. 2020, arXiv 1912.11160, section 3): a variational autoencoder with a deep, densely connected
encoder and a decoder of one layer."""

from __future__ import annotations

import keras
from keras import layers

from recsys.config import ModelConfig
from recsys.models.autoencoder.keras_layers import ENCODER, drawn_place, model_of, normalised, regularizer
from recsys.models.autoencoder.kernels.recvae import LAYER_EPSILON


def build_recvae(movies: int, config: ModelConfig, seed: int) -> keras.Model:
    """Hidden layers of one width, each normalised, with the sum of those before added to its input; latent places.

    Input dropout is the encoder's alone, and places are their means at inference. What training holds them near is in
    recsys.models.autoencoder.kernels.recvae. The authors train encoder and decoder in turns; here one step trains both.
    """
    keras.utils.set_random_seed(seed)
    ratings = keras.Input((movies,), name="ratings")
    entered, shift = normalised(ratings, config)
    if config.input_dropout:
        entered = layers.Dropout(config.input_dropout)(entered)
    sums = layers.Dense(config.hidden[0], kernel_regularizer=regularizer(config), name=ENCODER)(entered)
    outputs: list[keras.KerasTensor] = []
    for number, width in enumerate(config.hidden, start=1):
        if outputs:
            dense = layers.Dense(width, kernel_regularizer=regularizer(config), name=f"hidden_{number}")
            sums = layers.Add()([dense(outputs[-1]), *outputs])
        active = layers.Activation(config.activation)(sums)
        outputs.append(layers.LayerNormalization(epsilon=LAYER_EPSILON, name=f"normal_{number}")(active))
    return model_of(ratings, drawn_place(outputs[-1], config), shift, config, "recvae")
