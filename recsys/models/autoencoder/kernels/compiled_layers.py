"""What RecVAE's layers do beside matrix products, compiled: the same as in `numpy_layers`, in fewer passes."""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys.compiled import vector_kernel
from recsys.exponential import exp32
from recsys.models.autoencoder.kernels import numpy_layers as by_numpy
from recsys.models.autoencoder.kernels.architecture import Prior
from recsys.models.autoencoder.kernels.numpy_layers import LatentBack, LayerBack

_EPSILON, _HALF, _ZERO, _ONE = (np.float32(one) for one in (by_numpy.LAYER_EPSILON, 0.5, 0.0, 1.0))
_HIGHEST = np.float32(80.0)  # whose exponential is still finite
_AT_A_TIME = 32  # factors between 1 and 3 whose product is taken the logarithm of
_STANDARD, _EARLIER, _WIDE = (np.float32(np.log(part) - 0.5 * by_numpy.LOG_2PI) for part in by_numpy.MIXTURE)
_WIDE_LOG_VARIANCE = np.float32(by_numpy.WIDE_LOG_VARIANCE)
_LOG_2PI = by_numpy.LOG_2PI
_WIDE_PRECISION = np.float32(np.exp(-by_numpy.WIDE_LOG_VARIANCE))


def layer(
    activation: str, sums: np.ndarray, before: np.ndarray, bias: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray, LayerBack]:
    """As numpy_layers.layer."""
    if activation != "silu":
        return by_numpy.layer(activation, sums, before, bias, scale, shift)
    slope, out, per = np.empty_like(sums), np.empty_like(sums), np.empty(len(sums), np.float32)
    _layer(sums, before, bias, scale, shift, slope, per, out)
    unit = sums

    def back(gradient: np.ndarray, onward: np.ndarray, into: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        _layer_back(gradient, onward, unit, slope, per, scale, *into)
        return gradient, onward

    return out, before, back


def latent(
    mean: np.ndarray, log_variance: np.ndarray, drawn: np.ndarray, prior: Prior | None
) -> tuple[np.ndarray, float, LatentBack]:
    """As numpy_layers.latent."""
    if prior is None:
        return by_numpy.latent(mean, log_variance, drawn, prior)
    noise, vector, pull = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    total = _latent(mean, log_variance, drawn, prior.mean, prior.log_variance, prior.ratings, noise, vector, pull)

    def back(gradient: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
        for_mean, for_log_variance = np.empty_like(gradient), np.empty_like(gradient)
        _latent_back(gradient, noise, pull, prior.ratings, np.float32(weight), for_mean, for_log_variance)
        return for_mean, for_log_variance

    return vector, total / len(mean), back


@vector_kernel
def _layer(sums, before, bias, scale, shift, slope, per, out):
    """What was normalised is written over the sums, the sum of the outputs so far over `before`."""
    width = np.float32(sums.shape[1])
    for i in range(sums.shape[0]):
        row, earlier, way, outs = sums[i], before[i], slope[i], out[i]
        total = _ZERO
        for j in range(row.size):
            x = row[j] + bias[j] + earlier[j]
            gate = _ONE / (_ONE + exp32(min(-x, _HIGHEST)))
            way[j] = gate * (_ONE + x * (_ONE - gate))
            x *= gate
            row[j] = x
            total += x
        mean = total / width
        squares = _ZERO
        for j in range(row.size):
            x = row[j] - mean
            squares += x * x
        over = _ONE / np.sqrt(squares / width + _EPSILON)
        per[i] = over
        for j in range(row.size):
            x = (row[j] - mean) * over
            row[j] = x
            x = x * scale[j] + shift[j]
            outs[j] = x
            earlier[j] += x


@vector_kernel
def _layer_back(gradient, onward, unit, slope, per, scale, into_bias, into_scale, into_shift):
    """The gradient of the sums is written over that of the outputs, and added to `onward`."""
    width = np.float32(gradient.shape[1])
    into_bias[:] = _ZERO
    into_scale[:] = _ZERO
    into_shift[:] = _ZERO
    for i in range(gradient.shape[0]):
        given, later, units, way = gradient[i], onward[i], unit[i], slope[i]
        total, along = _ZERO, _ZERO
        for j in range(given.size):
            g, u = given[j] + later[j], units[j]
            into_scale[j] += g * u
            into_shift[j] += g
            g *= scale[j]
            given[j] = g
            total += g
            along += g * u
        total /= width
        along /= width
        over = per[i]
        for j in range(given.size):
            x = over * (given[j] - total - units[j] * along) * way[j]
            given[j] = x
            later[j] += x
            into_bias[j] += x


@vector_kernel
def _latent(mean, log_variance, drawn, centres, spreads, ratings, noise, vector, pull):
    """Vectors and what pulls them to the prior; the sum over rows of their divergence times their ratings, float64."""
    width = mean.shape[1]
    sums = np.empty(width, np.float32)
    result = 0.0
    for i in range(mean.shape[0]):
        centre, spread, out, pulled = centres[i], spreads[i], vector[i], pull[i]
        means, variances, draws, noises = mean[i], log_variance[i], drawn[i], noise[i]
        total = _ZERO
        for j in range(width):
            n = exp32(min(_HALF * variances[j], _HIGHEST)) * draws[j]
            x = means[j] + n
            noises[j] = n
            out[j] = x
            away = x - centre[j]
            precision = exp32(min(-spread[j], _HIGHEST))
            standard = _STANDARD - _HALF * x * x
            earlier = _EARLIER - _HALF * (spread[j] + away * away * precision)
            wide = _WIDE - _HALF * (_WIDE_LOG_VARIANCE + x * x * _WIDE_PRECISION)
            top = max(standard, max(earlier, wide))
            a, b, c = exp32(standard - top), exp32(earlier - top), exp32(wide - top)
            both = a + b + c
            sums[j] = both
            pulled[j] = (a * x + b * away * precision + c * x * _WIDE_PRECISION) / both
            total += top + _HALF * (variances[j] + draws[j] * draws[j] + _LOG_2PI)
        for start in range(0, width, _AT_A_TIME):
            product = _ONE
            for j in range(start, min(start + _AT_A_TIME, width)):
                product *= sums[j]
            total += np.log(product)
        result -= np.float64(total) * ratings[i]
    return result


@vector_kernel
def _latent_back(gradient, noise, pull, ratings, weight, for_mean, for_log_variance):
    for i in range(gradient.shape[0]):
        given, noises, pulled, means, variances = gradient[i], noise[i], pull[i], for_mean[i], for_log_variance[i]
        scale = weight * ratings[i]
        for j in range(given.size):
            x = given[j] + scale * pulled[j]
            means[j] = x
            variances[j] = _HALF * (x * noises[j] - scale)
