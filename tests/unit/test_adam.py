"""Adam in TensorFlow against its definition in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.evaluation import quiet_keras

quiet_keras()

import tensorflow as tf  # noqa: E402

from recsys.training.adam import Clock, DenseAdam, RowAdam, reference_step  # noqa: E402

SHAPE, STEPS, RATE = (7, 3), 60, 0.01


def gradients(seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows touched and their gradients, step by step: most rows rarely, one never, and one step touches none."""
    generator = np.random.default_rng(seed)
    steps = []
    for step in range(STEPS):
        rows = np.flatnonzero(generator.random(SHAPE[0]) < [0.9, 0.3, 0.1, 0.05, 0.5, 0.02, 0])
        rows = rows[:0] if step == 4 else rows
        steps.append((rows.astype(np.int32), generator.normal(size=(len(rows), SHAPE[1])).astype(np.float32)))
    return steps


def by_definition() -> list[np.ndarray]:
    value, m, v = START.astype(np.float64), np.zeros(SHAPE), np.zeros(SHAPE)
    for step, (rows, gradient) in enumerate(gradients(), 1):
        whole = np.zeros(SHAPE)
        whole[rows] = gradient
        value, m, v = reference_step(value, m, v, whole, step, RATE)
    return [value, m, v]


START = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.mark.parametrize("kind", [DenseAdam, RowAdam])
def test_rows_that_are_touched_now_and_then(kind: type[DenseAdam]) -> None:
    clock = Clock()
    adam = kind(SHAPE, clock)
    adam.value.assign(START)
    adam.restart()

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 3])])
    def step(rows: tf.Tensor, gradient: tf.Tensor) -> None:
        clock.tick(RATE)
        adam.touch(rows)
        adam.apply_rows(rows, gradient)

    for rows, gradient in gradients():
        step(rows, gradient)
    adam.settle()
    for variable, expected in zip((adam.value, adam.m, adam.v), by_definition(), strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=2e-4, atol=2e-6)
    assert np.array_equal(adam.value.numpy()[6], START[6])  # never touched


def test_rows_are_read_as_they_are_after_the_step_before() -> None:
    clock = Clock()
    rows, dense = RowAdam(SHAPE, clock), DenseAdam(SHAPE, clock)
    for one in (rows, dense):
        one.value.assign(START)
    everywhere, nowhere = np.arange(7, dtype=np.int32), np.zeros(0, np.int32)
    clock.tick(RATE)
    for one in (rows, dense):
        one.touch(everywhere)
        one.apply_rows(everywhere, tf.ones(SHAPE))
    for _ in range(3):
        clock.tick(RATE)
        for one in (rows, dense):
            one.touch(nowhere)
            one.apply_rows(nowhere, tf.zeros((0, 3)))
    clock.tick(RATE)
    assert not np.allclose(rows.value.numpy(), dense.value.numpy(), atol=1e-4)  # it is owed three steps
    np.testing.assert_allclose(rows.touch(everywhere).numpy(), dense.value.numpy(), atol=1e-6)


def test_the_step_size_is_bias_corrected_for_long() -> None:
    clock = Clock()
    for step in (1, 10, 100_000):
        clock.step.assign(step - 1)
        clock.tick(0.5)
        assert float(clock.alpha) == pytest.approx(0.5 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step), rel=1e-5)
        assert [float(one) for one in clock.powers] == pytest.approx([0.9**step, 0.999**step], rel=1e-4)
        assert float(clock.learning_rate.numpy()) == 0.5
