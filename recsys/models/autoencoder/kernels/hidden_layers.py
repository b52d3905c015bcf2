"""Dense and variational hidden layers, forwards and backwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from recsys.activations import Back as ActivationBack
from recsys.activations import activate
from recsys.models.autoencoder.config import AutoencoderConfig, LikesConfig, VaeConfig
from recsys.models.autoencoder.kernels.architecture import (
    Architecture,
    Back,
    Prior,
    Shapes,
    Weights,
    small_log_variances,
)
from recsys.models.autoencoder.kernels.dense import write_gradients

_LayersBack = Callable[[np.ndarray, Weights], np.ndarray]


class DenseLayers(Architecture):
    """Dense hidden layers, each with its activation and dropout: the paper's model."""

    def shapes(self, config: AutoencoderConfig) -> tuple[Shapes, int]:
        return dense_shapes(config.hidden), config.hidden[-1]

    def forward(
        self,
        config: AutoencoderConfig,
        z: np.ndarray,
        weights: Weights,
        generator: np.random.Generator | None,
        prior: Prior | None = None,
    ) -> tuple[np.ndarray, float, Back]:
        h, first = _dropped_activation(config, z, generator)
        h, deeper = _through(config, h, weights, generator)

        def back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
            return first(deeper(gradient, into))

        return h, 0.0, back

    def build(self, movies: int, config: AutoencoderConfig, seed: int) -> Any:
        from recsys.models.autoencoder.keras_models import build_autoencoder

        return build_autoencoder(movies, config, seed)


class VariationalLayers(Architecture):
    """Dense layers to a latent vector, drawn around its mean, and from it (Mult-VAE, Liang et al. 2018)."""

    def shapes(self, config: VaeConfig) -> tuple[Shapes, int]:
        last, latent = config.hidden[-1], config.latent
        shapes = dense_shapes(config.hidden) + 2 * [(last, latent), (latent,)]
        return shapes + dense_shapes((latent, *reversed(config.hidden))), config.hidden[0]

    def start(self, config: VaeConfig, draw: np.random.Generator) -> Weights:
        weights = super().start(config, draw)
        log_variance = 2 * (len(config.hidden) - 1) + 2
        weights[log_variance] = small_log_variances(draw, weights[log_variance].shape)
        return weights

    def forward(
        self,
        config: VaeConfig,
        z: np.ndarray,
        weights: Weights,
        generator: np.random.Generator | None,
        prior: Prior | None = None,
    ) -> tuple[np.ndarray, float, Back]:
        before = 2 * (len(config.hidden) - 1)
        h, first = _dropped_activation(config, z, generator)
        h, deeper = _through(config, h, weights[:before], generator)
        latent, divergence, sampled = _latent(h, weights[before : before + 4], generator)
        end, decoded = _through(config, latent, weights[before + 4 :], generator)

        def back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
            gradient = sampled(decoded(gradient, into[before + 4 :]), weight, into[before : before + 4])
            return first(deeper(gradient, into[:before]))

        return end, divergence, back

    def divergence_weight(self, config: VaeConfig, epoch: float) -> float:
        return annealed_weight(config, epoch)

    def build(self, movies: int, config: VaeConfig, seed: int) -> Any:
        from recsys.models.autoencoder.keras_models import build_variational

        return build_variational(movies, config, seed)


def dense_shapes(widths: tuple[int, ...]) -> Shapes:
    """Kernel and bias of the dense layers between these widths."""
    shapes: Shapes = []
    for before, width in itertools.pairwise(widths):
        shapes += [(before, width), (width,)]
    return shapes


def divergence(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1), summed over the latent units: (rows).

    Kingma and Welling 2014, appendix B: 1/2 sum (exp(v) + m^2 - 1 - v).
    """
    total: np.ndarray = 0.5 * (np.exp(log_variance) + np.square(mean) - 1.0 - log_variance).sum(axis=-1)
    return total


def annealed_weight(config: LikesConfig, epoch: float) -> float:
    """The divergence's weight in the loss after that many epochs (a fraction within one): it rises evenly from 0 to
    model.kl_weight over model.kl_epochs (Liang et al. 2018, section 2.2.2)."""
    if not config.kl_epochs:
        return config.kl_weight
    return config.kl_weight * min(1.0, epoch / config.kl_epochs)


def _latent(h: np.ndarray, weights: Weights, generator: np.random.Generator | None) -> tuple[np.ndarray, float, Back]:
    """Latent vectors, drawn around their means."""
    to_mean, mean_bias, to_log_variance, log_variance_bias = weights
    mean = h @ to_mean + mean_bias
    log_variance = h @ to_log_variance + log_variance_bias
    noise: Any = 0.0
    if generator is not None:
        noise = np.exp(0.5 * log_variance) * generator.standard_normal(mean.shape, np.float32)

    def back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
        scale = weight / len(h)
        for_mean = gradient + scale * mean
        for_log_variance = 0.5 * gradient * noise + 0.5 * scale * np.expm1(log_variance)
        write_gradients(into[:2], h, for_mean)
        write_gradients(into[2:], h, for_log_variance)
        through: np.ndarray = for_mean @ to_mean.T + for_log_variance @ to_log_variance.T
        return through

    return mean + noise, float(divergence(mean, log_variance).mean()), back


def _through(
    config: AutoencoderConfig, h: np.ndarray, weights: Weights, generator: np.random.Generator | None
) -> tuple[np.ndarray, _LayersBack]:
    """h through dense layers, each with its activation and dropout."""
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    inputs, backs = [], []
    for kernel, bias in layers:
        inputs.append(h)
        h, back = _dropped_activation(config, h @ kernel + bias, generator)
        backs.append(back)

    def backwards(gradient: np.ndarray, into: Weights) -> np.ndarray:
        for number in reversed(range(len(layers))):
            gradient = backs[number](gradient)
            write_gradients(into[2 * number : 2 * number + 2], inputs[number], gradient)
            gradient = gradient @ layers[number][0].T
        return gradient

    return h, backwards


def _dropped_activation(
    config: AutoencoderConfig, z: np.ndarray, generator: np.random.Generator | None
) -> tuple[np.ndarray, ActivationBack]:
    value, back = activate(config.activation, z)
    if not config.dropout or generator is None:
        return value, back
    kept = (generator.random(value.shape, np.float32) >= config.dropout) * np.float32(1 / (1 - config.dropout))
    return value * kept, lambda gradient: back(gradient * kept)
