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
    mean = h @ to_mean
    mean += mean_bias
    if generator is None:
        return mean, 0.0, _no_way_back
    log_variance = h @ to_log_variance
    log_variance += log_variance_bias
    drawn = generator.standard_normal(mean.shape, np.float32)
    vector, total, sampled = operations.latent(mean, log_variance, drawn, prior)

    def back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
        for_mean, for_log_variance = sampled(gradient, weight / len(h))
        write_gradients(into[-4:-2], h, for_mean)
        write_gradients(into[-2:], h, for_log_variance)
        through = for_mean @ to_mean.T
        through += for_log_variance @ to_log_variance.T
        return encoded(through, into[:-4])

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
    no_bias = np.zeros_like(weights[0])  # z has it
    h, before, way = operations.layer(config.activation, z, np.zeros_like(z), no_bias, weights[0], weights[1])
    outputs, ways = [h], [way]
    for start in range(2, len(weights), 4):
        kernel, *others = weights[start : start + 4]
        h, before, way = operations.layer(config.activation, h @ kernel, before, *others)
        outputs.append(h)
        ways.append(way)

    def back(gradient: np.ndarray, into: Weights) -> np.ndarray:
        onward = np.zeros_like(gradient)  # of the sums, which every later layer had a part of
        for number in reversed(range(1, len(outputs))):
            start = 4 * number - 2
            inner, onward = ways[number](gradient, onward, into[start + 1 : start + 4])
            np.matmul(outputs[number - 1].T, inner, out=into[start])
            gradient = inner @ weights[start].T
        inner, _ = ways[0](gradient, onward, [np.empty_like(no_bias), *into[:2]])
        return np.asarray(inner)

    return h, back


def _no_way_back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
    raise AssertionError("means are not trained")
