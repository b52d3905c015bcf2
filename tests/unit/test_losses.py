"""Losses against plain NumPy: values, gradients, and sums that add up over batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_ratings import RATINGS

from recsys.config import ModelConfig
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

import tensorflow as tf  # noqa: E402

from recsys.losses.keras_losses import SUMS, TRAINING  # noqa: E402

TARGET = RATINGS / 5
OUTPUT = np.random.default_rng(1).normal(0.3, 0.8, RATINGS.shape).astype(np.float32)
NAMES = ("mse", "masked_mse", "multinomial")


def log_softmax(output: np.ndarray) -> np.ndarray:
    shifted = output - output.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def plain_sums(name: str, target: np.ndarray, output: np.ndarray) -> tuple[float, float]:
    target, output = target.astype(np.float64), output.astype(np.float64)
    if name == "mse":
        return float(np.square(target - output).sum() / target.shape[1]), len(target)
    rated = target > 0
    if name == "masked_mse":
        return float(np.square(target - output)[rated].sum()), int(rated.sum())
    return float(-log_softmax(output)[rated].sum()), len(target)


def plain_gradient(name: str, target: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Of the mean over all rows, by the formulas."""
    target, output = target.astype(np.float64), output.astype(np.float64)
    if name == "mse":
        return 2 * (output - target) / target.size
    rated = target > 0
    if name == "masked_mse":
        return 2 * (output - target) * rated / rated.sum()
    return (np.exp(log_softmax(output)) * rated.sum(axis=1, keepdims=True) - rated) / len(target)


def training_loss(name: str) -> Callable[[Any, Any], Any]:
    """What Keras minimises in training, batch by batch."""
    given = TRAINING[name]
    function = keras.losses.get(given) if isinstance(given, str) else given
    return lambda target, output: tf.reduce_mean(function(target, output))


def test_every_loss_of_the_settings_is_there() -> None:
    assert set(SUMS) == set(TRAINING) == set(get_args(ModelConfig.model_fields["loss"].annotation)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sum_and_weight(name: str) -> None:
    total, weight = SUMS[name](tf.constant(TARGET), tf.constant(OUTPUT))
    expected = plain_sums(name, TARGET, OUTPUT)
    assert float(total) == pytest.approx(expected[0], rel=1e-5)
    assert float(weight) == expected[1] == (15 if name == "masked_mse" else 5)


@pytest.mark.parametrize("name", NAMES)
def test_training_minimises_the_sum_over_the_weight(name: str) -> None:
    total, weight = plain_sums(name, TARGET, OUTPUT)
    assert float(training_loss(name)(tf.constant(TARGET), tf.constant(OUTPUT))) == pytest.approx(
        total / weight, rel=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str) -> None:
    output = tf.Variable(OUTPUT)
    with tf.GradientTape() as tape:
        loss = training_loss(name)(tf.constant(TARGET), output)
    found = tape.gradient(loss, output).numpy()
    np.testing.assert_allclose(found, plain_gradient(name, TARGET, OUTPUT), rtol=1e-4, atol=1e-7)
    if name == "masked_mse":
        assert (found[TARGET == 0] == 0).all()


def test_by_hand() -> None:
    target, output = np.float32([[1.0, 0.0, 0.4]]), np.float32([[0.5, 2.0, 0.4]])
    found = {name: float(SUMS[name](target, output)[0]) for name in NAMES}
    assert found["mse"] == pytest.approx((0.25 + 4 + 0) / 3)
    assert found["masked_mse"] == pytest.approx(0.25)
    normaliser = np.log(np.exp(0.5) + np.exp(2.0) + np.exp(0.4))
    assert found["multinomial"] == pytest.approx(2 * normaliser - 0.5 - 0.4, rel=1e-6)


def test_a_batch_without_ratings_costs_nothing_and_breaks_nothing() -> None:
    empty = np.zeros((2, 7), np.float32)
    assert float(training_loss("masked_mse")(empty, OUTPUT[:2])) == 0.0
    assert [float(one) for one in SUMS["masked_mse"](empty, OUTPUT[:2])] == [0.0, 0.0]


arrays = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.sampled_from([0, 0, 0.125, 0.5, 1])
)


@settings(max_examples=25, deadline=None)
@given(target=arrays, seed=st.integers(0, 99), cut=st.integers(0, 8))
@pytest.mark.parametrize("name", NAMES)
def test_sums_and_weights_add_up_over_any_batches(name: str, target: np.ndarray, seed: int, cut: int) -> None:
    output = np.random.default_rng(seed).normal(size=target.shape).astype(np.float32)
    parts = [(target[:cut], output[:cut]), (target[cut:], output[cut:])]
    sums = np.sum([[float(one) for one in SUMS[name](*part)] for part in parts if len(part[0])], axis=0)
    assert sums.tolist() == pytest.approx(list(plain_sums(name, target, output)), rel=1e-4, abs=1e-5)
