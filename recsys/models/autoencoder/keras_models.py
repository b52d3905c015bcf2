"""The autoencoders in Keras: the definition that the NumPy kernels are tested against, and the exchange format."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from recsys.models.autoencoder.config import AutoencoderConfig, LikesConfig, RecVaeConfig, VaeConfig
from recsys.models.autoencoder.kernels.architecture import START_OF_LOG_VARIANCES
from recsys.models.autoencoder.kernels.normalisation import PRIOR_MEAN, PRIOR_RATINGS
from recsys.models.autoencoder.kernels.numpy_layers import LAYER_EPSILON
from recsys.models.autoencoder.start import OUTPUT_VARIANCE_BESIDE_OFFSETS

ENCODER, OUTPUT = "encoder", "output"


def build_autoencoder(movies: int, config: AutoencoderConfig, seed: int) -> keras.Model:
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


def build_variational(movies: int, config: VaeConfig, seed: int) -> keras.Model:
    """Hidden layers as an autoencoder's, "mean" and "log_variance" of the latent vector (batch, latent), and the hidden
    layers again in reverse: hidden = [600], latent = 200 is the paper's 600-200-600.

    At inference the vector is its mean. In training it is sampled: GaussianNoise, which adds nothing at inference,
    times the standard deviation. The divergence from the prior is no part of the model, but of its training
    (kernels/hidden_layers.py).
    """
    keras.utils.set_random_seed(seed)
    kernel = regularizer(config)
    ratings = keras.Input((movies,), name="ratings")
    entered, shift = normalised(ratings, config)
    hidden = encoded(entered, config)
    for number, width in enumerate(config.hidden[1:], start=2):
        dense = layers.Dense(width, activation=config.activation, kernel_regularizer=kernel, name=f"hidden_{number}")
        hidden = dropped(dense(hidden), config)
    hidden = drawn_latent(hidden, config)
    for number, width in enumerate(reversed(config.hidden), start=1):
        dense = layers.Dense(width, activation=config.activation, kernel_regularizer=kernel, name=f"decoder_{number}")
        hidden = dropped(dense(hidden), config)
    return model_of(ratings, hidden, shift, config, "variational_autoencoder")


def build_recvae(movies: int, config: RecVaeConfig, seed: int) -> keras.Model:
    """Hidden layers of one width, each normalised, with the sum of those before added to its input; latent vectors.

    Input dropout is the encoder's alone, and latent vectors are their means at inference. What training
    holds them near is in kernels/recvae.py. The authors train encoder and decoder in turns; here one step trains both.
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
    return model_of(ratings, drawn_latent(outputs[-1], config), shift, config, "recvae")


def regularizer(config: AutoencoderConfig) -> Any:
    """The squared kernels in the loss, or None."""
    return keras.regularizers.L2(config.l2) if config.l2 else None


def normalised(ratings: Any, config: AutoencoderConfig) -> tuple[Any, Any]:
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


def encoded(entered: Any, config: AutoencoderConfig) -> Any:
    """The first hidden layer: input dropout, the linear "encoder", its activation and dropout."""
    if config.input_dropout:
        entered = layers.Dropout(config.input_dropout)(entered)
    dense = layers.Dense(config.hidden[0], kernel_regularizer=regularizer(config), name=ENCODER)
    hidden = dense(entered)
    hidden = layers.Activation(config.activation, name="encoder_activation")(hidden)
    return dropped(hidden, config)


def dropped(hidden: Any, config: AutoencoderConfig) -> Any:
    """A hidden layer with its dropout."""
    return layers.Dropout(config.dropout)(hidden) if config.dropout else hidden


def drawn_latent(hidden: Any, config: LikesConfig) -> Any:
    """A variational model's latent vector (batch, latent): "mean", in training with noise by "log_variance"."""
    mean = layers.Dense(config.latent, kernel_regularizer=regularizer(config), name="mean")(hidden)
    small = keras.initializers.RandomNormal(stddev=START_OF_LOG_VARIANCES)
    log_variance = layers.Dense(config.latent, kernel_initializer=small, name="log_variance")(hidden)
    noise = layers.GaussianNoise(1.0)(ops.zeros_like(mean))
    return mean + noise * ops.exp(0.5 * log_variance)


def model_of(ratings: Any, hidden: Any, offset: Any, config: AutoencoderConfig, name: str) -> keras.Model:
    """The model that ends in "output", with the arrays' offsets added where there are any."""
    movies = ratings.shape[-1]
    activation = config.resolved_output_activation
    near = keras.initializers.VarianceScaling(OUTPUT_VARIANCE_BESIDE_OFFSETS, "fan_avg", "uniform")
    start = near if config.input_normalisation == "offset" else "glorot_uniform"
    dense = layers.Dense(
        movies, activation, kernel_initializer=start, kernel_regularizer=regularizer(config), name=OUTPUT
    )
    outputs = dense(hidden)
    if offset is not None:
        outputs = outputs + offset
    return keras.Model(ratings, outputs, name=name)
