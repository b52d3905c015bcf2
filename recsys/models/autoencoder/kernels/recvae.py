"""The layers between encoder and decoder of RecVAE (Shenbin et al. 2020, arXiv 1912.11160), forwards and backwards.

The encoder adds to the input of every layer the outputs of all layers before, and normalises what comes out of each.
The decoder is the output layer alone. In training latent vectors are held near a mixture of three normal distributions.
One of them is the same user's distribution at the last synchronisation. The more ratings a user has, the stronger is
the pull.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from recsys.models.autoencoder.config import RecVaeConfig
from recsys.models.autoencoder.kernels import numpy_layers
from recsys.models.autoencoder.kernels.architecture import (
    Architecture,
    Back,
    Prior,
    Shapes,
    Weights,
    small_log_variances,
)
from recsys.models.autoencoder.kernels.dense import write_gradients
from recsys.models.autoencoder.kernels.hidden_layers import annealed_weight


@dataclass(frozen=True)
class RecVaeLayers(Architecture):
    """A densely connected encoder; the output layer alone decodes. `compiled`: by kernels that numba compiles."""

    needs_prior: ClassVar[bool] = True
    compiled: bool = False

    def with_kernels(self) -> Architecture:
        return RecVaeLayers(compiled=True)

    def shapes(self, config: RecVaeConfig) -> tuple[Shapes, int]:
        last, latent = config.hidden[-1], config.latent
        layer: Shapes = [(last, last), (last,), (last,), (last,)]  # kernel, bias, and the normalisation's two
        return layer[2:] + (len(config.hidden) - 1) * layer + 2 * [(last, latent), (latent,)], latent

    def start(self, config: RecVaeConfig, draw: np.random.Generator) -> Weights:
        weights = super().start(config, draw)
        for number in range(0, len(weights) - 4, 4):
            weights[number][:] = 1.0  # scales of the normalisation
        weights[-2] = small_log_variances(draw, weights[-2].shape)
        return weights

    def forward(
        self,
        config: RecVaeConfig,
        z: np.ndarray,
        weights: Weights,
        generator: np.random.Generator | None,
        prior: Prior | None = None,
    ) -> tuple[np.ndarray, float, Back]:
        return recvae_layers(config, z, weights, generator, prior, self._operations)

    def divergence_weight(self, config: RecVaeConfig, epoch: float) -> float:
        return annealed_weight(config, epoch)

    def prior(self, config: RecVaeConfig, z: np.ndarray, weights: Weights, ratings: np.ndarray) -> Prior:
        return Prior(*posteriors(config, z, weights, self._operations), ratings)

    def build(self, movies: int, config: RecVaeConfig, seed: int) -> Any:
        from recsys.models.autoencoder.keras_models import build_recvae

        return build_recvae(movies, config, seed)

    @property
    def _operations(self) -> Any:
        """What computes beside matrix products: two modules with the same functions."""
        if not self.compiled:
            return numpy_layers
        from recsys.models.autoencoder.kernels import compiled_layers  # late: it imports numba

        return compiled_layers


def recvae_layers(
    config: RecVaeConfig,
    z: np.ndarray,
    weights: Weights,
    generator: np.random.Generator | None,
    prior: Prior | None,
    operations: Any,
) -> tuple[np.ndarray, float, Back]:
    """(vector, divergence, back): latent vectors (rows x latent) from z, the encoder's sums before its activation.

    With a generator they are drawn, else they are their means. The divergence is the rows' mean of
    log q(z | x) - log p(z) for the vectors drawn, each times the row's ratings; 0 without a prior.
    """
    *deep, to_mean, mean_bias, to_log_variance, log_variance_bias = weights
    h, encoded = _encoder(config, z, deep, operations)
    mean = h @ to_mean + mean_bias
    if generator is None:
        return mean, 0.0, _no_way_back
    log_variance = h @ to_log_variance + log_variance_bias
    drawn = generator.standard_normal(mean.shape, np.float32)
    noise = np.exp(0.5 * log_variance) * drawn
    vector = mean + noise
    total, pull = 0.0, np.zeros_like(vector)
    if prior is not None:
        log_p, slope = operations.log_prior(vector, prior)
        log_q = -0.5 * (log_variance + np.square(drawn) + numpy_layers.LOG_2PI).sum(axis=1)
        total = float(((log_q - log_p) * prior.ratings).mean())
        pull = -slope

    def back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
        scale = weight / len(h) * (prior.ratings[:, None] if prior is not None else np.zeros((len(h), 1), np.float32))
        for_mean = gradient + scale * pull
        for_log_variance = 0.5 * for_mean * noise - 0.5 * scale
        write_gradients(into[-4:-2], h, for_mean)
        write_gradients(into[-2:], h, for_log_variance)
        return encoded(for_mean @ to_mean.T + for_log_variance @ to_log_variance.T, into[:-4])

    return vector, total, back


def posteriors(config: RecVaeConfig, z: np.ndarray, weights: Weights, operations: Any) -> tuple[np.ndarray, np.ndarray]:
    """Means and log variances (rows x latent): what a later step is held near."""
    *deep, to_mean, mean_bias, to_log_variance, log_variance_bias = weights
    h, _ = _encoder(config, z, deep, operations)
    return h @ to_mean + mean_bias, h @ to_log_variance + log_variance_bias


def _encoder(
    config: RecVaeConfig, z: np.ndarray, weights: Weights, operations: Any
) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
    """Layer k + 1 is the normalised activation of (layer k) kernel + bias + the sum of layers 1 to k."""
    value, activated = operations.activate(config.activation, z)
    h, normal = operations.normalised(value, weights[0], weights[1])
    before, outputs, ways = np.zeros_like(h), [h], [(activated, normal)]
    for start in range(2, len(weights), 4):
        kernel, bias, scale, shift = weights[start : start + 4]
        before = before + h
        value, activated = operations.activate(config.activation, h @ kernel + bias + before)
        h, normal = operations.normalised(value, scale, shift)
        outputs.append(h)
        ways.append((activated, normal))

    def back(gradient: np.ndarray, into: Weights) -> np.ndarray:
        onward = np.zeros_like(gradient)  # of the sums, which every later layer had a part of
        for number in reversed(range(1, len(outputs))):
            start = 4 * number - 2
            activated, normal = ways[number]
            inner = activated(normal(gradient + 0.0, into[start + 2], into[start + 3]))
            write_gradients(into[start : start + 2], outputs[number - 1], inner)
            onward = onward + inner
            gradient = inner @ weights[start].T + onward
        activated, normal = ways[0]
        return activated(normal(gradient, into[0], into[1]))

    return h, back


def _no_way_back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
    raise AssertionError("means are not trained")
