"""What RecVAE's layers do beside matrix products, in NumPy: the reference of `compiled_layers`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from recsys.activations import activate
from recsys.models.autoencoder.kernels.architecture import Prior

LAYER_EPSILON = 0.1  # added to variances in the layers' normalisation, as the authors do
MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # section 2.2: of the standard normal, of the earlier vector, of the wide normal
WIDE_LOG_VARIANCE = 10.0
LOG_2PI = np.float32(np.log(2 * np.pi))

# takes the gradient of a layer's outputs, that of the sums of all later layers, which it had a part of, and where those
# of bias, scale and shift are written; gives the gradient of its own sums, and of those of it and all later ones
LayerBack = Callable[[np.ndarray, np.ndarray, list[np.ndarray]], tuple[np.ndarray, np.ndarray]]
# from the gradient of the vectors, and the weight of a row's divergence, to those of mean and log variance
LatentBack = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]


def layer(
    activation: str, sums: np.ndarray, before: np.ndarray, bias: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray, LayerBack]:
    """A layer of the encoder: its outputs, what the next one adds to its sums, and the way back.

    Args:
        activation: by its name.
        sums: float32 (rows, width): the products with the kernel; may be written over.
        before: float32 (rows, width): the sum of the outputs of all layers before; may be written over.
        bias: float32 (width).
        scale: of the normalisation (width).
        shift: of the normalisation (width).
    """
    value, activated = activate(activation, sums + bias + before)
    out, normal = normalised(value, scale, shift)

    def back(gradient: np.ndarray, onward: np.ndarray, into: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        into_bias, into_scale, into_shift = into
        inner = activated(normal(gradient + onward, into_scale, into_shift))
        np.sum(inner, axis=0, out=into_bias)
        return inner, onward + inner

    return out, before + out, back


def normalised(value: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
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


def log_prior(vector: np.ndarray, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Of the mixture, at every latent unit by itself: the log densities summed over a row (rows), and their slopes
    (rows x latent)."""
    zero, wide = np.zeros_like(vector[:1]), np.full_like(vector[:1], WIDE_LOG_VARIANCE)
    centres, log_variances = (zero, prior.mean, zero), (zero, prior.log_variance, wide)
    logs, slopes = [], []
    for part, centre, log_variance in zip(MIXTURE, centres, log_variances, strict=True):
        away, precision = vector - centre, np.exp(-log_variance)
        slopes.append(-away * precision)
        logs.append(np.log(part) - 0.5 * (LOG_2PI + log_variance - away * slopes[-1]))
    log_density = logsumexp(logs, axis=0)
    slope = sum(np.exp(one - log_density) * way for one, way in zip(logs, slopes, strict=True))
    return log_density.sum(axis=1), np.asarray(slope, vector.dtype)


def latent(
    mean: np.ndarray, log_variance: np.ndarray, drawn: np.ndarray, prior: Prior | None
) -> tuple[np.ndarray, float, LatentBack]:
    """Vectors (rows x latent) drawn around their means, the rows' mean divergence from the prior, and the way back.

    `drawn` are standard normal numbers of that shape. Without a prior the divergence is 0.
    """
    noise = np.exp(0.5 * log_variance) * drawn
    vector, total, pull, ratings = mean + noise, 0.0, np.zeros_like(mean), np.zeros(len(mean), np.float32)
    if prior is not None:
        log_p, slope = log_prior(vector, prior)
        log_q = -0.5 * (log_variance + np.square(drawn) + LOG_2PI).sum(axis=1)
        total = float(((log_q - log_p) * prior.ratings).mean())
        pull, ratings = -slope, prior.ratings

    def back(gradient: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
        scale = weight * ratings[:, None]
        for_mean = gradient + scale * pull
        return for_mean, 0.5 * for_mean * noise - 0.5 * scale

    return vector, total, back
