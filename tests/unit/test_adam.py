"""Adam against its definition in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys.models.autoencoder.kernels import compiled_steps, numpy_steps
from recsys.models.autoencoder.kernels.adam import BETA1, BETA2, reference_step, step_size

SHAPE, STEPS, RATE = (7, 3), 60, 0.01
START = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def gradients(seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows touched and their gradients, step by step: most rows rarely, one never, and one step touches none."""
    generator = np.random.default_rng(seed)
    steps = []
    for step in range(STEPS):
        rows = np.flatnonzero(generator.random(SHAPE[0]) < [0.9, 0.3, 0.1, 0.05, 0.5, 0.02, 0])
        rows = rows[:0] if step == 4 else rows
        steps.append((rows.astype(np.int32), generator.normal(size=(len(rows), SHAPE[1])).astype(np.float32)))
    return steps


def whole(rows: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    dense = np.zeros(SHAPE, np.float32)
    dense[rows] = gradient
    return dense


def check(value: np.ndarray, m: np.ndarray, v: np.ndarray) -> None:
    """Against the definition; moments are kept as sums."""
    expected = START.astype(np.float64), np.zeros(SHAPE), np.zeros(SHAPE)
    for step, (rows, gradient) in enumerate(gradients(), 1):
        expected = reference_step(*expected, whole(rows, gradient), step, RATE)
    for found, one in zip((value, m * (1 - BETA1), v * (1 - BETA2)), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=2e-4, atol=2e-6)
    assert np.array_equal(value[6], START[6])  # never touched


both = pytest.mark.parametrize("steps", [numpy_steps, compiled_steps], ids=["numpy", "compiled"])


@both
def test_vectors_as_a_whole(monkeypatch: pytest.MonkeyPatch, steps: Any) -> None:
    monkeypatch.setattr("recsys.models.autoencoder.kernels.adam._PIECE", 8)  # several pieces, the last one smaller
    value, m, v = START.copy(), np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    for step, (rows, gradient) in enumerate(gradients(), 1):
        steps.adam(value.ravel(), m.ravel(), v.ravel(), whole(rows, gradient).ravel(), step_size(RATE, step))
    check(value, m, v)


@both
def test_rows_that_are_touched_now_and_then(monkeypatch: pytest.MonkeyPatch, steps: Any) -> None:
    monkeypatch.setattr("recsys.models.autoencoder.kernels.adam._PIECE", 8)
    value, m, v = START.copy(), np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    rows_adam = steps.RowAdam(value, m, v)
    rows_adam.restart(0)
    for step, (rows, gradient) in enumerate(gradients(), 1):
        rows_adam.touch(rows, step)
        rows_adam.apply(gradient.copy(), step_size(RATE, step), step)
        if step in (20, 41):
            rows_adam.settle(step)
    rows_adam.settle(STEPS)
    check(value, m, v)


@both
def test_rows_are_read_as_they_are_after_the_step_before(steps: Any) -> None:
    value, m, v = START.copy(), np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    expected = START.astype(np.float64), np.zeros(SHAPE), np.zeros(SHAPE)
    rows_adam = steps.RowAdam(value, m, v)
    everywhere, nowhere = np.arange(7, dtype=np.int32), np.zeros(0, np.int32)
    for step in range(1, 5):
        rows, gradient = (everywhere, np.ones(SHAPE, np.float32)) if step == 1 else (nowhere, np.zeros((0, 3), "f"))
        expected = reference_step(*expected, whole(rows, gradient), step, RATE)
        rows_adam.touch(rows, step)
        rows_adam.apply(gradient, step_size(RATE, step), step)
    assert not np.allclose(value, expected[0], atol=1e-4)  # it is owed three steps
    np.testing.assert_allclose(rows_adam.touch(everywhere, 5), expected[0], atol=1e-6)


def test_the_step_size_is_bias_corrected_for_long() -> None:
    for step in (1, 10, 100_000):
        folded = (1 - 0.9) / np.sqrt(1 - 0.999)  # moments are sums
        expected = 0.5 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step) * folded
        assert step_size(0.5, step) == pytest.approx(expected, rel=1e-6)
