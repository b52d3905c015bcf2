"""Activations by NumPy against Keras', values and gradients."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from recsys.activations import activate
from recsys.models.autoencoder.config import Activation
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

import tensorflow as tf  # noqa: E402


@pytest.mark.parametrize("name", get_args(Activation))
def test_values_and_gradients_are_those_of_keras(name: str) -> None:
    generator = np.random.default_rng(1)
    z = np.concatenate([generator.normal(0, 2, (6, 5)), [[0.0, 30, -30, 1e-8, -1e-8]]]).astype(np.float32)
    gradient = generator.normal(size=z.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        given = tf.Variable(z)
        expected = keras.activations.get(name)(given)
    expected_back = tape.gradient(expected, given, gradient)
    value, back = activate(name, z.copy())
    assert value.dtype == back(gradient).dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    inner = slice(0, 6) if name in ("relu", "selu", "elu") else slice(None)  # at 0 either side will do
    np.testing.assert_allclose(back(gradient)[inner], expected_back[inner], rtol=1e-4, atol=1e-6)
