"""Losses against plain NumPy: values, gradients, and sums that add up over batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix
from small_ratings import RATINGS, sparse

from recsys.data.preprocessing import Preprocessing
from recsys.losses.base import GRAMIAN, ROWS, Loss, OutputLayer, Targets, Work
from recsys.registries import LOSSES, loss_named
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

import tensorflow as tf  # noqa: E402

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
    given = loss_named(name).keras_loss()
    function = keras.losses.get(given) if isinstance(given, str) else given
    return lambda target, output: tf.reduce_mean(function(target, output))


def test_the_losses_of_this_package_are_registered() -> None:
    assert set(NAMES) <= set(LOSSES.names())
    assert [loss_named(name).name for name in NAMES] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sum_and_weight(name: str) -> None:
    expected = plain_sums(name, TARGET, OUTPUT)
    for total, weight in (
        loss_named(name).keras_sums(tf.constant(TARGET), tf.constant(OUTPUT)),
        loss_named(name).sums(sparse(TARGET), OUTPUT.copy()),
    ):
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
    target, output = np.array([[1.0, 0.0, 0.4]], np.float32), np.array([[0.5, 2.0, 0.4]], np.float32)
    found = {name: float(loss_named(name).keras_sums(target, output)[0]) for name in NAMES}
    assert found["mse"] == pytest.approx((0.25 + 4 + 0) / 3)
    assert found["masked_mse"] == pytest.approx(0.25)
    again = {name: loss_named(name).sums(sparse(target), output.copy())[0] for name in NAMES}
    assert again == pytest.approx(found, rel=1e-6)
    normaliser = np.log(np.exp(0.5) + np.exp(2.0) + np.exp(0.4))
    assert found["multinomial"] == pytest.approx(2 * normaliser - 0.5 - 0.4, rel=1e-6)


def test_a_batch_without_ratings_costs_nothing_and_breaks_nothing() -> None:
    empty = np.zeros((2, 7), np.float32)
    assert float(training_loss("masked_mse")(empty, OUTPUT[:2])) == 0.0
    assert [float(one) for one in loss_named("masked_mse").keras_sums(empty, OUTPUT[:2])] == [0.0, 0.0]
    assert loss_named("masked_mse").sums(sparse(empty), OUTPUT[:2].copy()) == (0.0, 0)
    assert not loss_named("masked_mse").gradient(sparse(empty), OUTPUT[:2].copy()).any()


arrays = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.sampled_from([0, 0, 0.125, 0.5, 1])
)


@settings(max_examples=25, deadline=None)
@given(target=arrays, seed=st.integers(0, 99), cut=st.integers(0, 8))
@pytest.mark.parametrize("name", NAMES)
def test_sums_and_weights_add_up_over_any_batches(name: str, target: np.ndarray, seed: int, cut: int) -> None:
    output = np.random.default_rng(seed).normal(size=target.shape).astype(np.float32)
    parts = [(target[:cut], output[:cut]), (target[cut:], output[cut:])]
    loss, expected = loss_named(name), pytest.approx(list(plain_sums(name, target, output)), rel=1e-4, abs=1e-5)
    in_keras = [[float(one) for one in loss.keras_sums(*part)] for part in parts if len(part[0])]
    by_numpy = [loss.sums(sparse(some), outputs.copy()) for some, outputs in parts if len(some)]
    assert np.sum(in_keras, axis=0).tolist() == expected
    assert np.sum(by_numpy, axis=0).tolist() == expected


# every loss, and those that use weights also weighted: the target's values are then weights
FORMS = [
    *(loss_named(name) for name in LOSSES.names()),
    *(loss_named(name).weighted() for name in LOSSES.names() if loss_named(name).uses_weights),
]
every_loss = pytest.mark.parametrize("loss", FORMS, ids=lambda loss: type(loss).__name__)


@settings(max_examples=25, deadline=None)
@given(target=arrays, seed=st.integers(0, 99), cut=st.integers(1, 6))
@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
@pytest.mark.parametrize("loss", [one for one in FORMS if one.in_blocks], ids=lambda loss: type(loss).__name__)
def test_outputs_in_blocks_have_the_same_sums(
    loss: Loss, compiled: bool, target: np.ndarray, seed: int, cut: int
) -> None:
    output = np.random.default_rng(seed).normal(size=target.shape).astype(np.float32)
    blocks = [(start, output[:, start : start + cut].copy()) for start in range(0, output.shape[1], cut)]
    expected = pytest.approx(loss.sums(sparse(target), output.copy()), rel=1e-5, abs=1e-5)
    assert loss.sums_in_blocks(sparse(target), blocks, compiled) == expected


def slopes(function: Callable[[np.ndarray], float], at: np.ndarray, change: float = 1e-2) -> np.ndarray:
    """The numerical slope of a function of an array, number by number."""
    found = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        higher, lower = at.copy(), at.copy()
        higher[place] += change
        lower[place] -= change
        found[place] = (function(higher) - function(lower)) / float(higher[place] - lower[place])
    return found


@every_loss
def test_the_gradient_is_the_slope_of_the_definition(loss: Loss) -> None:
    target = sparse(TARGET)

    def mean(output: np.ndarray) -> float:
        total, weight = loss.sums(target, output.copy())
        return total / weight

    found = loss.gradient(target, OUTPUT.copy())
    assert (found.shape, found.dtype) == (OUTPUT.shape, np.float32)
    assert np.abs(found).max() > 1e-3
    np.testing.assert_allclose(found, slopes(mean, OUTPUT), rtol=5e-3, atol=5e-5)


@every_loss
def test_in_keras_it_is_the_same_loss(loss: Loss) -> None:
    if not loss.trains_in_keras():
        with pytest.raises(NotImplementedError):
            loss.keras_sums(TARGET, OUTPUT)
        return
    output = tf.Variable(OUTPUT)
    with tf.GradientTape() as tape:
        total, weight = loss.keras_sums(tf.constant(TARGET), output)
        mean = total / weight
    sums = loss.sums(sparse(TARGET), OUTPUT.copy())
    assert (float(total), float(weight)) == pytest.approx(sums, rel=1e-5)
    gradient = loss.gradient(sparse(TARGET), OUTPUT.copy())
    np.testing.assert_allclose(gradient, tape.gradient(mean, output), rtol=1e-4, atol=1e-7)


def targets_of(matrix: csr_matrix, columns: np.ndarray, offsets: np.ndarray) -> Targets:
    entries = matrix.tocoo()
    slots, nothing = np.searchsorted(columns, entries.col), np.zeros(len(columns), np.float32)
    return Targets(matrix.shape[0], entries.row, matrix.indptr, slots, entries.data, columns, offsets, nothing)


def generic(loss: Loss) -> Loss:
    """The loss with the defaults of every method but its definition."""
    rest = {name: vars(Loss)[name] for name in ("layout", "result", "exact_sums")}
    made: Loss = type(f"Generic{type(loss).__name__}", (type(loss),), rest)()
    return made


LAYERS = [
    (loss, activation, shifted)
    for loss in FORMS
    for activation in loss.activations or ("linear", "softmax", "sigmoid")
    for shifted in (False, True)
]


@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
@pytest.mark.parametrize(("loss", "activation", "shifted"), LAYERS)
def test_every_fast_way_gives_what_the_definition_gives(
    loss: Loss, activation: str, shifted: bool, compiled: bool
) -> None:
    """Sums, and gradients of h and of the decoder; of whichever layouts the loss takes."""
    matrix, draw = sparse(TARGET), np.random.default_rng(5)
    h, kernel = draw.normal(size=(5, 3)).astype(np.float32), draw.normal(size=(3, 7)).astype(np.float32)
    bias = draw.normal(size=7).astype(np.float32)
    offsets = np.linspace(0.1, 0.5, 5, dtype=np.float32) * shifted
    by_rows = np.concatenate([kernel.T, bias[:, None]], axis=1)
    rated = np.unique(matrix.indices)
    layouts = {loss.layout(activation, 3, batch_size, sampled) for batch_size in (1, 64) for sampled in (0, 7)}

    def outcome(of: Loss, layout: str, columns: np.ndarray, decoder: list[np.ndarray]) -> tuple[Any, ...]:
        layer = OutputLayer(layout, activation, shifted, compiled and of is loss)
        targets = targets_of(matrix, columns, offsets)
        sums = of.result(layer, h, decoder, targets, Work()).sums()
        into = [np.full_like(one, 7) for one in decoder]
        return sums, of.result(layer, h, decoder, targets, Work()).back(into), into

    slow = generic(loss)
    assert slow.layout(activation, 3, 64, 7) == "dense"
    every = np.arange(7)
    sums, for_h, (for_kernel, for_bias) = outcome(slow, "dense", rated, [kernel, bias])
    for_rows = np.concatenate([for_kernel.T, for_bias[:, None]], axis=1)
    for layout in layouts:
        if layout == ROWS:  # of the columns in the batch; of a sampled softmax, of all with a sample of all others
            columns = every if loss.samples_items else rated
            found = outcome(loss, layout, columns, [by_rows[columns]])
            expected = [for_rows[columns]]
        elif layout == GRAMIAN:
            found, expected = outcome(loss, layout, rated, [by_rows]), [for_rows]
        else:
            found, expected = outcome(loss, layout, rated, [kernel, bias]), [for_kernel, for_bias]
        assert found[0] == pytest.approx(sums, rel=1e-4), layout
        np.testing.assert_allclose(found[1], for_h, rtol=1e-3, atol=1e-5, err_msg=layout)
        for one, other in zip(found[2], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5, err_msg=layout)
        decoder = [kernel, bias] if layout == "dense" else [by_rows]
        layer = OutputLayer(layout, activation, shifted, compiled)
        exact = loss.exact_sums(layer, h, decoder, targets_of(matrix, rated, offsets), Work())
        assert exact == pytest.approx(sums, rel=1e-4), layout


def test_a_weighted_likelihood_by_hand() -> None:
    """A count of weight 3 is as three likes of the movie by the user."""
    target, output = np.array([[1.0, 0.0, 3.0]], np.float32), np.array([[0.5, 2.0, 0.4]], np.float32)
    normaliser = np.log(np.exp(0.5) + np.exp(2.0) + np.exp(0.4))
    weighted = Preprocessing(1, 9, feedback="counts", weights="log")
    loss = loss_named("multinomial").of(weighted)
    total, weight = loss.sums(sparse(target), output.copy())
    assert total == pytest.approx(4 * normaliser - 0.5 - 3 * 0.4, rel=1e-6)
    assert weight == 1
    alike = loss_named("multinomial").of(weighted.without_weights())
    assert alike.sums(sparse(target), output.copy())[0] == pytest.approx(2 * normaliser - 0.5 - 0.4, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES.names())
def test_a_weighted_loss_is_the_loss_where_all_weigh_1(name: str) -> None:
    ones = sparse((TARGET > 0).astype(np.float32))
    loss, weighted = loss_named(name), loss_named(name).weighted()
    assert weighted.name == name
    assert weighted.sums(ones, OUTPUT.copy()) == pytest.approx(loss.sums(ones, OUTPUT.copy()))
    np.testing.assert_allclose(weighted.gradient(ones, OUTPUT.copy()), loss.gradient(ones, OUTPUT.copy()), rtol=1e-6)
    if loss.uses_weights:
        assert weighted != loss
        assert weighted.sums(sparse(TARGET), OUTPUT.copy()) != pytest.approx(loss.sums(sparse(TARGET), OUTPUT.copy()))
    else:
        assert weighted == loss
