"""What RecVAE's layers do beside matrix products, in NumPy: the reference of `compiled_layers`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from recsys.activations import activate
from recsys.models.autoencoder.kernels.architecture import Prior

__all__ = ["activate", "log_prior", "normalised"]

LAYER_EPSILON = 0.1  # added to variances in the layers' normalisation, as the authors do
MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # section 2.2: of the standard normal, of the earlier vector, of the wide normal
WIDE_LOG_VARIANCE = 10.0
LOG_2PI = np.float32(np.log(2 * np.pi))

# from the gradient of the outputs to that of the inputs; those of scale and shift are written down
NormalBack = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def normalised(value: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, NormalBack]:
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
