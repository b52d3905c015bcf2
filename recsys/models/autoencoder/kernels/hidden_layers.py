"""The layers between encoder and decoder, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recsys.activations import Back, activate
from recsys.config import ModelConfig
from recsys.models.autoencoder.kernels.dense import write_gradients
from recsys.models.autoencoder.kernels.recvae import Prior, recvae_layers

Arrays = list[np.ndarray]
# from the gradient of h and the weight of the divergence to the gradient of z; those of the weights are written down
InnerBack = Callable[[np.ndarray, float, Arrays], np.ndarray]
_LayersBack = Callable[[np.ndarray, Arrays], np.ndarray]


def inner_layers(
    config: ModelConfig,
    z: np.ndarray,
    weights: Arrays,
    generator: np.random.Generator | None,
    prior: Prior | None = None,
) -> tuple[np.ndarray, float, InnerBack]:
    """(h, divergence, back): the decoder's input (rows x width) from z, the encoder's sums before its activation.

    `weights` are the inner layers' kernels and biases; z may be written to. Dropout and the places of a variational
    model are drawn from the generator; without one there is no dropout, and places are their means. The divergence is
    the rows' mean from the prior; 0 where the model is not variational. A RecVAE's `prior` is told by the caller.
    """
    if config.kind == "recvae":
        return recvae_layers(config, z, weights, generator, prior)
    before = 2 * (len(config.hidden) - 1)
    h, first = _dropped_activation(config, z, generator)
    h, deeper = _through(config, h, weights[:before], generator)
    if config.kind != "vae":

        def plain(gradient: np.ndarray, weight: float, into: Arrays) -> np.ndarray:
            return first(deeper(gradient, into))

        return h, 0.0, plain
    place, divergence, sampled = _place(h, weights[before : before + 4], generator)
    end, decoded = _through(config, place, weights[before + 4 :], generator)

    def variational(gradient: np.ndarray, weight: float, into: Arrays) -> np.ndarray:
        gradient = sampled(decoded(gradient, into[before + 4 :]), weight, into[before : before + 4])
        return first(deeper(gradient, into[:before]))

    return end, divergence, variational


def divergence(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1), summed over the latent units: (rows).

    Kingma and Welling 2014, appendix B: 1/2 sum (exp(v) + m^2 - 1 - v).
    """
    total: np.ndarray = 0.5 * (np.exp(log_variance) + np.square(mean) - 1.0 - log_variance).sum(axis=-1)
    return total


def annealed_weight(config: ModelConfig, epoch: float) -> float:
    """The divergence's weight in the loss after that many epochs (a fraction within one): it rises evenly from 0 to
    model.kl_weight over model.kl_epochs (Liang et al. 2018, section 2.2.2)."""
    if not config.kl_epochs:
        return config.kl_weight
    return config.kl_weight * min(1.0, epoch / config.kl_epochs)


def _place(
    h: np.ndarray, weights: Arrays, generator: np.random.Generator | None
) -> tuple[np.ndarray, float, InnerBack]:
    """A variational model's latent places, drawn around their means."""
    to_mean, mean_bias, to_log_variance, log_variance_bias = weights
    mean = h @ to_mean + mean_bias
    log_variance = h @ to_log_variance + log_variance_bias
    noise: Any = 0.0
    if generator is not None:
        noise = np.exp(0.5 * log_variance) * generator.standard_normal(mean.shape, np.float32)

    def back(gradient: np.ndarray, weight: float, into: Arrays) -> np.ndarray:
        share = weight / len(h)
        for_mean = gradient + share * mean
        for_log_variance = 0.5 * gradient * noise + 0.5 * share * np.expm1(log_variance)
        write_gradients(into[:2], h, for_mean)
        write_gradients(into[2:], h, for_log_variance)
        through: np.ndarray = for_mean @ to_mean.T + for_log_variance @ to_log_variance.T
        return through

    return mean + noise, float(divergence(mean, log_variance).mean()), back


def _through(
    config: ModelConfig, h: np.ndarray, weights: Arrays, generator: np.random.Generator | None
) -> tuple[np.ndarray, _LayersBack]:
    """h through dense layers, each with its activation and dropout."""
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    inputs, backs = [], []
    for kernel, bias in layers:
        inputs.append(h)
        h, back = _dropped_activation(config, h @ kernel + bias, generator)
        backs.append(back)

    def backwards(gradient: np.ndarray, into: Arrays) -> np.ndarray:
        for number in reversed(range(len(layers))):
            gradient = backs[number](gradient)
            write_gradients(into[2 * number : 2 * number + 2], inputs[number], gradient)
            gradient = gradient @ layers[number][0].T
        return gradient

    return h, backwards


def _dropped_activation(
    config: ModelConfig, z: np.ndarray, generator: np.random.Generator | None
) -> tuple[np.ndarray, Back]:
    value, back = activate(config.activation, z)
    if not config.dropout or generator is None:
        return value, back
    kept = (generator.random(value.shape, np.float32) >= config.dropout) * np.float32(1 / (1 - config.dropout))
    return value * kept, lambda gradient: back(gradient * kept)
