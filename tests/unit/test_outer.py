"""Outer optimizers, worked by hand: weights 1, deltas (before - after) of 0.1 and then 0.2."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.config import TrainingConfig
from recsys.tensorflow_env import quiet_keras

quiet_keras()

from recsys.training.outer import Outer, outer_for  # noqa: E402


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("mean", 0.9, 0.7),
        # b = 0.1, step 0.5 (0.6 0.1 + 0.1) = 0.08; b = 0.06 + 0.2 = 0.26, step 0.5 (0.6 0.26 + 0.2) = 0.178
        ("nesterov", 0.92, 0.742),
        # step 0.5 0.1 = 0.05; b = 0.26, step 0.13
        ("slowmo", 0.95, 0.82),
    ],
)
def test_two_rounds(kind: str, first: float, second: float) -> None:
    outer = Outer(kind, 0.5, 0.6)
    start = np.ones(3, np.float32)
    one = outer.step(start, np.full(3, 0.1, np.float32))
    two = outer.step(one, np.full(3, 0.2, np.float32))
    np.testing.assert_allclose([one[0], two[0]], [first, second], rtol=1e-6)
    assert one.dtype == two.dtype == np.float32
    assert (start == 1).all()


def test_one_worker_is_not_changed_by_rounds_and_settings_beat_defaults() -> None:
    outer, rate = outer_for(TrainingConfig(workers=1, learning_rate=0.002))
    assert (outer.kind, rate) == ("mean", 0.002)
    outer, rate = outer_for(TrainingConfig(workers=8, outer="mean", learning_rate=0.002))
    assert (outer.kind, rate) == ("mean", 0.002)
    given = TrainingConfig(
        workers=8, outer="slowmo", outer_learning_rate=0.7, outer_momentum=0.3, learning_rate_scale=3.0
    )
    outer, rate = outer_for(given)
    assert (outer.kind, outer.learning_rate, outer.mu, rate) == ("slowmo", 0.7, 0.3, 0.003)
