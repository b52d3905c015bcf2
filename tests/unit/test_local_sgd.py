"""A worker's round: plain iterators in, moments and a delta out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN
from recsys.tensorflow_env import quiet_keras

quiet_keras()

from recsys.models.autoencoder.config import DaeConfig, VaeConfig  # noqa: E402
from recsys.models.autoencoder.keras_models import build_autoencoder  # noqa: E402
from recsys.models.autoencoder.kernels.engine import plan_for  # noqa: E402
from recsys.models.autoencoder.kernels.hidden_layers import DenseLayers, VariationalLayers  # noqa: E402
from recsys.registries import loss_named  # noqa: E402
from recsys.training.local_sgd import kept  # noqa: E402
from recsys.training.local_sgd import worker as local_sgd  # noqa: E402
from recsys.training.local_sgd.worker import Delta, Task, measure, train_round  # noqa: E402
from recsys.training.state import Moments  # noqa: E402

MODEL = DaeConfig(hidden=(4,), activation="tanh", loss="masked_mse", input_dropout=0.5)
PLAN = plan_for(DenseLayers(), MODEL, 7, 0.4, 2, 0)
EXAMPLES = Examples.of(build_config({"seed": 5, "data": {"dataset": "ml-1m"}}), 7, Preprocessing(0.5, 5.0))
TASK = Task(PLAN, EXAMPLES, "a", 1, epoch=1, epochs=4, round=0, rounds=1, batch_size=2, learning_rate=0.01)
START = PLAN.layout.from_keras(build_autoencoder(7, MODEL, seed=2).get_weights())
BLOCKS = [block_of().take(np.array(rows)) for rows in ([0, 1, 2], [3, 4])]


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """By a test before, in the same process."""
    kept._kept.clear()


def run(task: Task, elements: list[Any], weights: np.ndarray = START, worker: int = 0) -> tuple[Moments, Delta]:
    moments, delta = train_round(task, weights, worker, iter(elements))
    assert isinstance(moments, Moments) and isinstance(delta, Delta)
    return moments, delta


def test_a_round_trains_every_row_once() -> None:
    moments, delta = run(TASK, BLOCKS)
    assert (delta.rows, moments.step) == (5, 3)  # batches of 2, 2 and 1
    assert moments.values.shape == (2, PLAN.layout.size) and delta.value.shape == START.shape
    assert np.abs(delta.value).max() > 0.001


def test_the_same_again_whoever_does_it() -> None:
    """A retry, in a process that has trained something else meanwhile, or none of it, changes nothing."""
    first = run(TASK, BLOCKS)
    run(replace(TASK, training="b", seed=2), BLOCKS[:1], worker=1)
    again = run(TASK, BLOCKS)
    kept._kept.clear()
    local_sgd._engines.clear()
    anew = run(TASK, BLOCKS)
    for other in (again, anew):
        assert np.array_equal(other[0].values, first[0].values)
        assert np.array_equal(other[1].value, first[1].value)


def test_rounds_of_an_epoch_train_each_row_once() -> None:
    tasks = [replace(TASK, round=number, rounds=3) for number in range(3)]
    assert [len(range(5)[task.slice(5)]) for task in tasks] == [1, 2, 2]
    assert [len(range(2)[task.slice(2)]) for task in tasks] == [0, 1, 1]
    assert [run(task, BLOCKS)[1].rows for task in tasks] == [1, 2, 2]


def test_moments_go_from_round_to_round() -> None:
    second = replace(TASK, epoch=2)
    moments, delta = run(TASK, BLOCKS)
    kept, with_moments = run(second, [moments, delta, *BLOCKS], START - delta.value)
    fresh, without = run(second, BLOCKS, START - delta.value)
    assert (kept.step, fresh.step) == (6, 3)
    assert not np.allclose(with_moments.value, without.value, atol=1e-4)


def test_epochs_and_workers_have_orders_of_their_own() -> None:
    one = run(TASK, BLOCKS)[1].value
    assert not np.array_equal(run(replace(TASK, epoch=2), BLOCKS)[1].value, one)
    assert not np.array_equal(run(TASK, BLOCKS, worker=1)[1].value, one)


def test_a_worker_without_rows_takes_part() -> None:
    moments, delta = run(TASK, [])
    assert (moments.step, delta.rows, delta.value.size) == (0, 0, 0)
    moments, delta = run(TASK, [moments, delta, *BLOCKS], worker=3)  # its first rows, later
    assert (moments.step, delta.rows) == (3, 5)


def test_losses_are_those_of_the_model() -> None:
    matrix = block_of().matrix(7).toarray() / 5
    model = build_autoencoder(7, MODEL, seed=2)
    total, weight = loss_named("masked_mse").keras_sums(matrix, model(matrix, training=False))
    ((role, worker, *found),) = measure(TASK, START, 0, iter(BLOCKS))
    assert (role, worker) == (TRAIN, 0)
    assert tuple(found) == pytest.approx((float(total), float(weight)), rel=1e-5)


def test_a_cosine_falls_from_the_first_step_to_the_last() -> None:
    first = replace(TASK, schedule="cosine", epochs=2, rounds=2)
    last = replace(first, epoch=2, round=1)
    # of 2 epochs with 2 rounds of 2 batches the steps are the eighths of half a cosine
    cosine = 0.01 * (1 + np.cos(np.pi * np.arange(8) / 8)) / 2
    np.testing.assert_allclose([rate for rate, _ in first.steps(3)], cosine[:2])
    np.testing.assert_allclose([rate for rate, _ in last.steps(4)], cosine[6:])
    assert [rate for rate, _ in TASK.steps(5)] == [0.01] * 3 and first.steps(0) == []


def test_the_divergences_weight_rises_step_by_step() -> None:
    variational, layers = VaeConfig(hidden=(4,), latent=2, kl_weight=0.2, kl_epochs=2), VariationalLayers()
    task = replace(TASK, plan=plan_for(layers, variational, 7, 0.4, 2, 0), epoch=2)
    done = [epochs for _, epochs in task.steps(4)]
    assert done == [1.0, 1.5]
    assert [layers.divergence_weight(variational, epochs) for epochs in done] == pytest.approx([0.1, 0.15])
    assert [epochs for _, epochs in replace(task, round=1, rounds=2).steps(4)] == [1.5, 1.75]
