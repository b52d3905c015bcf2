"""The layers between encoder and decoder of RecVAE (Shenbin et al. 2020, arXiv 1912.11160), forwards and backwards.

The encoder adds to the input of every layer the outputs of all layers before, and normalises what comes out of each.
The decoder is the output layer alone. In training latent vectors are held near a mixture of three normal distributions.
One of them is the same user's distribution at the last synchronisation. The more ratings a user has, the stronger is
the pull.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from recsys.activations import activate
from recsys.models.autoencoder.config import RecVaeConfig
from recsys.models.autoencoder.kernels.architecture import Architecture, Back, Prior, Shapes, Weights
from recsys.models.autoencoder.kernels.dense import write_gradients
from recsys.models.autoencoder.kernels.hidden_layers import annealed_weight

LAYER_EPSILON = 0.1  # added to variances in the layers' normalisation, as the authors do
MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # section 2.2: of the standard normal, of the earlier vector, of the wide normal
WIDE_LOG_VARIANCE = 10.0
_LOG_2PI = np.float32(np.log(2 * np.pi))


class RecVaeLayers(Architecture):
    """A densely connected encoder; the output layer alone decodes."""

    needs_prior = True

    def shapes(self, config: RecVaeConfig) -> tuple[Shapes, int]:
        last, latent = config.hidden[-1], config.latent
        layer: Shapes = [(last, last), (last,), (last,), (last,)]  # kernel, bias, and the normalisation's two
        return layer[2:] + (len(config.hidden) - 1) * layer + 2 * [(last, latent), (latent,)], latent

    def forward(
        self,
        config: RecVaeConfig,
        z: np.ndarray,
        weights: Weights,
        generator: np.random.Generator | None,
        prior: Prior | None = None,
    ) -> tuple[np.ndarray, float, Back]:
        return recvae_layers(config, z, weights, generator, prior)

    def divergence_weight(self, config: RecVaeConfig, epoch: float) -> float:
        return annealed_weight(config, epoch)

    def prior(self, config: RecVaeConfig, z: np.ndarray, weights: Weights, ratings: np.ndarray) -> Prior:
        return Prior(*posteriors(config, z, weights), ratings)

    def build(self, movies: int, config: RecVaeConfig, seed: int) -> Any:
        from recsys.models.autoencoder.keras_models import build_recvae

        return build_recvae(movies, config, seed)


def recvae_layers(
    config: RecVaeConfig,
    z: np.ndarray,
    weights: Weights,
    generator: np.random.Generator | None,
    prior: Prior | None,
) -> tuple[np.ndarray, float, Back]:
    """(vector, divergence, back): latent vectors (rows x latent) from z, the encoder's sums before its activation.

    With a generator they are drawn, else they are their means. The divergence is the rows' mean of
    log q(z | x) - log p(z) for the vectors drawn, each times the row's ratings; 0 without a prior.
    """
    *deep, to_mean, mean_bias, to_log_variance, log_variance_bias = weights
    h, encoded = _encoder(config, z, deep)
    mean = h @ to_mean + mean_bias
    if generator is None:
        return mean, 0.0, _no_way_back
    log_variance = h @ to_log_variance + log_variance_bias
    drawn = generator.standard_normal(mean.shape, np.float32)
    noise = np.exp(0.5 * log_variance) * drawn
    vector = mean + noise
    total, pull = 0.0, np.zeros_like(vector)
    if prior is not None:
        log_p, slope = _log_prior(vector, prior)
        log_q = -0.5 * (log_variance + np.square(drawn) + _LOG_2PI)
        total = float(((log_q - log_p).sum(axis=1) * prior.ratings).mean())
        pull = -slope

    def back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
        scale = weight / len(h) * (prior.ratings[:, None] if prior is not None else np.zeros((len(h), 1), np.float32))
        for_mean = gradient + scale * pull
        for_log_variance = 0.5 * for_mean * noise - 0.5 * scale
        write_gradients(into[-4:-2], h, for_mean)
        write_gradients(into[-2:], h, for_log_variance)
        return encoded(for_mean @ to_mean.T + for_log_variance @ to_log_variance.T, into[:-4])

    return vector, total, back


def posteriors(config: RecVaeConfig, z: np.ndarray, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Means and log variances (rows x latent): what a later step is held near."""
    *deep, to_mean, mean_bias, to_log_variance, log_variance_bias = weights
    h, _ = _encoder(config, z, deep)
    return h @ to_mean + mean_bias, h @ to_log_variance + log_variance_bias


def _encoder(config: RecVaeConfig, z: np.ndarray, weights: Weights) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
    """Layer k + 1 is the normalised activation of (layer k) kernel + bias + the sum of layers 1 to k."""
    value, activated = activate(config.activation, z)
    h, normal = _normalised(value, weights[0], weights[1])
    before, outputs, ways = np.zeros_like(h), [h], [(activated, normal)]
    for start in range(2, len(weights), 4):
        kernel, bias, scale, shift = weights[start : start + 4]
        before = before + h
        value, activated = activate(config.activation, h @ kernel + bias + before)
        h, normal = _normalised(value, scale, shift)
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


def _normalised(
    value: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]]:
    """Layer normalisation (Ba et al. 2016): each row less its mean, over its standard deviation, scaled and shifted."""
    centred = value - value.mean(axis=1, keepdims=True)
    per = 1.0 / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + LAYER_EPSILON)
    unit = centred * per

    def back(gradient: np.ndarray, into_scale: np.ndarray, into_shift: np.ndarray) -> np.ndarray:
        np.einsum("ij,ij->j", gradient, unit, out=into_scale)
        np.sum(gradient, axis=0, out=into_shift)
        inner = gradient * scale
        along = (inner * unit).mean(axis=1, keepdims=True)
        through: np.ndarray = per * (inner - inner.mean(axis=1, keepdims=True) - unit * along)
        return through

    return unit * scale + shift, back


def _log_prior(vector: np.ndarray, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """(log density, its slope) of the mixture at every latent unit by itself: (rows x latent) each."""
    zero, wide = np.zeros_like(vector[:1]), np.full_like(vector[:1], WIDE_LOG_VARIANCE)
    centres, log_variances = (zero, prior.mean, zero), (zero, prior.log_variance, wide)
    logs, slopes = [], []
    for part, centre, log_variance in zip(MIXTURE, centres, log_variances, strict=True):
        away, precision = vector - centre, np.exp(-log_variance)
        slopes.append(-away * precision)
        logs.append(np.log(part) - 0.5 * (_LOG_2PI + log_variance - away * slopes[-1]))
    log_density = logsumexp(logs, axis=0)
    slope = sum(np.exp(one - log_density) * way for one, way in zip(logs, slopes, strict=True))
    return log_density, np.asarray(slope, vector.dtype)


def _no_way_back(gradient: np.ndarray, weight: float, into: Weights) -> np.ndarray:
    raise AssertionError("means are not trained")
