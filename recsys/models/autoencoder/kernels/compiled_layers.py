"""What RecVAE's layers do beside matrix products, compiled: the same as in `numpy_layers`, in fewer passes."""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys import activations
from recsys.compiled import vector_kernel
from recsys.exponential import exp32
from recsys.models.autoencoder.kernels import numpy_layers as by_numpy
from recsys.models.autoencoder.kernels.architecture import Prior
from recsys.models.autoencoder.kernels.numpy_layers import NormalBack

_EPSILON, _HALF, _ZERO, _ONE = (np.float32(one) for one in (by_numpy.LAYER_EPSILON, 0.5, 0.0, 1.0))
_HIGHEST = np.float32(80.0)  # whose exponential is still finite
_STANDARD, _EARLIER, _WIDE = (np.float32(np.log(part) - 0.5 * by_numpy.LOG_2PI) for part in by_numpy.MIXTURE)
_WIDE_LOG_VARIANCE = np.float32(by_numpy.WIDE_LOG_VARIANCE)
_WIDE_PRECISION = np.float32(np.exp(-by_numpy.WIDE_LOG_VARIANCE))


def activate(name: str, z: np.ndarray) -> activations.Activated:
    """As recsys.activations.activate."""
    if name != "silu":
        return activations.activate(name, z)
    slope = np.empty_like(z)
    _silu(z, slope)
    return z, lambda gradient: gradient * slope


def normalised(value: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, NormalBack]:
    """As numpy_layers.normalised."""
    unit, per, out = np.empty_like(value), np.empty(len(value), np.float32), np.empty_like(value)
    _normalise(value, scale, shift, unit, per, out)

    def back(gradient: np.ndarray, into_scale: np.ndarray, into_shift: np.ndarray) -> np.ndarray:
        through = np.empty_like(gradient)
        _normalise_back(gradient, unit, per, scale, into_scale, into_shift, through)
        return through

    return out, back


def log_prior(vector: np.ndarray, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """As numpy_layers.log_prior."""
    totals, slopes = np.empty(len(vector), np.float32), np.empty_like(vector)
    _log_prior(vector, prior.mean, prior.log_variance, totals, slopes)
    return totals, slopes


@vector_kernel
def _silu(z, slope):
    for i in range(z.shape[0]):
        row, way = z[i], slope[i]
        for j in range(row.size):
            x = row[j]
            gate = _ONE / (_ONE + exp32(min(-x, _HIGHEST)))
            row[j] = x * gate
            way[j] = gate * (_ONE + x * (_ONE - gate))


@vector_kernel
def _normalise(value, scale, shift, unit, per, out):
    width = np.float32(value.shape[1])
    for i in range(value.shape[0]):
        row, units, outs = value[i], unit[i], out[i]
        total = _ZERO
        for j in range(row.size):
            total += row[j]
        mean = total / width
        squares = _ZERO
        for j in range(row.size):
            x = row[j] - mean
            units[j] = x
            squares += x * x
        over = _ONE / np.sqrt(squares / width + _EPSILON)
        per[i] = over
        for j in range(row.size):
            x = units[j] * over
            units[j] = x
            outs[j] = x * scale[j] + shift[j]


@vector_kernel
def _normalise_back(gradient, unit, per, scale, into_scale, into_shift, through):
    width = np.float32(gradient.shape[1])
    into_scale[:] = _ZERO
    into_shift[:] = _ZERO
    for i in range(gradient.shape[0]):
        given, units, out = gradient[i], unit[i], through[i]
        total, along = _ZERO, _ZERO
        for j in range(given.size):
            g, u = given[j], units[j]
            into_scale[j] += g * u
            into_shift[j] += g
            inner = g * scale[j]
            out[j] = inner
            total += inner
            along += inner * u
        total /= width
        along /= width
        over = per[i]
        for j in range(given.size):
            out[j] = over * (out[j] - total - units[j] * along)


@vector_kernel
def _log_prior(vector, mean, log_variance, totals, slopes):
    for i in range(vector.shape[0]):
        row, centres, spreads, slope = vector[i], mean[i], log_variance[i], slopes[i]
        total = _ZERO
        for j in range(row.size):
            x = row[j]
            away = x - centres[j]
            precision = exp32(min(-spreads[j], _HIGHEST))
            standard = _STANDARD - _HALF * x * x
            earlier = _EARLIER - _HALF * (spreads[j] + away * away * precision)
            wide = _WIDE - _HALF * (_WIDE_LOG_VARIANCE + x * x * _WIDE_PRECISION)
            top = max(standard, max(earlier, wide))
            a, b, c = exp32(standard - top), exp32(earlier - top), exp32(wide - top)
            sum_ = a + b + c
            total += top + np.log(sum_)
            slope[j] = -(a * x + b * away * precision + c * x * _WIDE_PRECISION) / sum_
        totals[i] = total
