"""Keras' activations: values, and what gradients become on their way back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import erf, expit

Back = Callable[[np.ndarray], np.ndarray]  # the gradient of the values to that of what they were computed from
Activated = tuple[np.ndarray, Back]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017


def activate(name: str, z: np.ndarray) -> Activated:
    """The activation of that name of z (rows x units), float32; z may be written to."""
    return _ACTIVATIONS[name](z)


def softmax_in_place(z: np.ndarray) -> np.ndarray:
    """exp(z) over its row's sum, written over z."""
    exponentials_in_place(z)
    z *= 1.0 / z.sum(axis=1, keepdims=True)
    return z


def exponentials_in_place(z: np.ndarray) -> np.ndarray:
    """Writes exp(z - the row's maximum) over z; the maxima (rows, 1)."""
    highest: np.ndarray = z.max(axis=1, keepdims=True)
    z -= highest
    np.exp(z, out=z)
    return highest


def _linear(z: np.ndarray) -> Activated:
    return z, lambda gradient: gradient


def _relu(z: np.ndarray) -> Activated:
    value = np.maximum(z, 0.0, out=z)
    return value, lambda gradient: gradient * (value > 0)


def _elu(z: np.ndarray) -> Activated:
    value = np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))
    return value, lambda gradient: gradient * (1.0 + np.minimum(value, 0.0))


def _selu(z: np.ndarray) -> Activated:
    steep = _SELU_SCALE * _SELU_ALPHA
    value = np.where(z > 0, _SELU_SCALE * z, steep * np.expm1(np.minimum(z, 0.0)))
    return value, lambda gradient: gradient * np.where(value > 0, np.float32(_SELU_SCALE), value + np.float32(steep))


def _gelu(z: np.ndarray) -> Activated:
    below = 0.5 * (1.0 + erf(z / np.sqrt(np.float32(2.0))))  # the normal distribution's, as Keras without approximation
    density = np.exp(-0.5 * np.square(z)) / np.sqrt(np.float32(2.0 * np.pi))
    return z * below, lambda gradient: gradient * (below + z * density)


def _silu(z: np.ndarray) -> Activated:
    gate = expit(z)
    return z * gate, lambda gradient: gradient * (gate * (1.0 + z * (1.0 - gate)))


def _tanh(z: np.ndarray) -> Activated:
    value = np.tanh(z, out=z)
    return value, lambda gradient: gradient * (1.0 - np.square(value))


def _sigmoid(z: np.ndarray) -> Activated:
    value = expit(z, out=z)
    return value, lambda gradient: gradient * (value * (1.0 - value))


def _softmax(z: np.ndarray) -> Activated:
    value = softmax_in_place(z)

    def back(gradient: np.ndarray) -> np.ndarray:
        within = np.einsum("ij,ij->i", gradient, value)
        return (gradient - within[:, None]) * value

    return value, back


_ACTIVATIONS: dict[str, Callable[[np.ndarray], Activated]] = {
    "linear": _linear,
    "relu": _relu,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}
