"""The workers' step on sparse batches against Keras on dense ones: losses, gradients, weights after some steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.data.arrays import Arrays
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

import tensorflow as tf  # noqa: E402

from recsys.models.autoencoder.config import DaeConfig, VaeConfig  # noqa: E402
from recsys.models.autoencoder.keras_models import build_autoencoder, build_variational  # noqa: E402
from recsys.models.autoencoder.kernels.batches import consecutive_batches, training_batches  # noqa: E402
from recsys.models.autoencoder.kernels.engine import Engine, Plan, plan_for  # noqa: E402
from recsys.models.autoencoder.kernels.hidden_layers import DenseLayers, VariationalLayers  # noqa: E402
from recsys.registries import loss_named  # noqa: E402

ROWS, COLUMNS, STEPS, BATCH, RATE = 12, 17, 6, 4, 0.01
EACH_STEP = [(RATE, 0.0)] * STEPS


def ratings(seed: int = 3, density: float = 0.3) -> csr_matrix:
    generator = np.random.default_rng(seed)
    dense = generator.integers(1, 11, (ROWS, COLUMNS)) / 10 * (generator.random((ROWS, COLUMNS)) < density)
    dense[5] = 0  # somebody who rated nothing
    return csr_matrix(dense.astype(np.float32))


def dense_plan(config: DaeConfig) -> Plan:
    return plan_for(DenseLayers(), config, COLUMNS, 0.3, BATCH, 0)


def train_both(config: DaeConfig, plan: Plan) -> tuple[list[np.ndarray], list[np.ndarray], Engine]:
    """Weights after the same steps: by Keras on dense arrays, by the engine on sparse ones."""
    matrix = ratings()
    model = build_autoencoder(COLUMNS, config, seed=2)
    engine = Engine(plan)
    engine.load(plan.layout.from_keras(model.get_weights()), None, 0)
    order = np.tile(np.random.default_rng(7).permutation(ROWS), STEPS * BATCH // ROWS)
    generator = np.random.default_rng(0)
    arrays = Arrays(matrix, matrix)
    assert (
        engine.train_batches(training_batches(arrays, order, BATCH, config, generator), EACH_STEP, generator)
        == STEPS * BATCH
    )
    model.compile(optimizer=keras.optimizers.Adam(RATE), loss=loss_named(config.loss).keras_loss())
    dense = matrix.toarray()[order]
    model.fit(dense, dense, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
    return model.get_weights(), plan.layout.to_keras(engine.weights()), engine


MODELS = [
    {"loss": "mse"},  # the paper's: softmax
    {"loss": "mse", "output_activation": "linear"},
    {"loss": "mse", "output_activation": "linear", "input_normalisation": "center"},
    {"loss": "mse", "output_activation": "sigmoid"},
    {"loss": "masked_mse"},
    {"loss": "masked_mse", "output_activation": "sigmoid", "input_normalisation": "l2"},
    {"loss": "masked_mse", "input_normalisation": "center"},
    {"loss": "masked_mse", "output_activation": "softmax"},
    {"loss": "masked_mse", "input_normalisation": "offset", "input_scale": 3.0, "l2": 0.001},
    {"loss": "mse", "output_activation": "linear", "input_normalisation": "offset"},
    {"loss": "mse", "output_activation": "sigmoid", "input_normalisation": "center"},
    {"loss": "multinomial", "input_normalisation": "l2"},
    {"loss": "multinomial", "activation": "tanh", "l2": 0.01},
    {"loss": "multinomial", "hidden": (5,)},
    {"loss": "masked_mse", "l2": 0.01},
    {"loss": "mse", "output_activation": "linear", "l2": 0.01},
]


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
@pytest.mark.parametrize("row_updates", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(str(value) for value in model.values()))
def test_steps_are_those_of_keras(model: dict[str, Any], row_updates: bool, compiled: bool) -> None:
    config = DaeConfig(**{"hidden": (6, 3), "activation": "tanh", **model})
    plan = replace(dense_plan(config), row_updates=row_updates and not config.l2, compiled=compiled)
    expected, found, engine = train_both(config, plan)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, atol=3e-5)
    matrix = ratings(4)
    output = tf.constant(run(build(config, found), matrix))
    total, weight = loss_named(config.loss).keras_sums(matrix.toarray(), output)
    sums = engine.loss_sums(consecutive_batches(Arrays(matrix, matrix), 5, config))
    assert sums == pytest.approx((float(total), float(weight)), rel=1e-4)


def build(config: DaeConfig, weights: list[np.ndarray]) -> Any:
    model = build_autoencoder(COLUMNS, config, seed=1)
    model.set_weights(weights)
    return model


def run(model: Any, matrix: csr_matrix) -> Any:
    return model(matrix.toarray(), training=False)


def test_the_cheapest_exact_way_is_chosen() -> None:
    def way(batch_size: int = 64, density: float = 0.002, sampled: int = 0, **model: Any) -> tuple[str, bool]:
        plan = plan_for(DenseLayers(), DaeConfig(**model), 3000, density, batch_size, sampled)
        return plan.output_layout, plan.row_updates

    assert way() == ("dense", True)  # the paper's model
    assert way(density=0.05) == ("dense", False)  # a batch touches nearly all columns
    assert way(loss="masked_mse") == ("rows", True)
    assert way(loss="masked_mse", l2=0.1) == ("rows", False)  # l2 pulls on all rows
    assert way(loss="masked_mse", output_activation="softmax") == ("dense", True)
    assert way(loss="multinomial") == ("dense", True)
    assert way(loss="multinomial", sampled=100) == ("rows", True)
    assert way(output_activation="linear") == ("dense", True)  # 150 wide against 64 rows
    assert way(output_activation="linear", batch_size=128) == ("gramian", True)


def test_a_sample_of_all_columns_is_the_exact_softmax_and_smaller_ones_stand_for_all() -> None:
    config = DaeConfig(hidden=(6,), activation="tanh", loss="multinomial")
    matrix = ratings(density=0.1)
    arrays = Arrays(matrix, matrix)
    model = build_autoencoder(COLUMNS, config, seed=2)
    plans = {
        sampled: Plan(
            DenseLayers(), config, loss_named("multinomial"), COLUMNS, "rows" if sampled else "dense", False, sampled
        )
        for sampled in (0, 2, COLUMNS)
    }
    after = {}
    for sampled, plan in plans.items():
        engine = Engine(plan)
        engine.load(plan.layout.from_keras(model.get_weights()), None, 0)
        generator = np.random.default_rng(0)
        engine.train_batches(training_batches(arrays, np.arange(ROWS), BATCH, config, generator), EACH_STEP, generator)
        after[sampled] = plan.layout.to_keras(engine.weights())
        engine.load(plan.layout.from_keras(model.get_weights()), None, 0)
        exact = loss_named("multinomial").keras_sums(matrix.toarray(), run(model, matrix))
        sums = engine.loss_sums(consecutive_batches(arrays, 5, config))
        assert sums == pytest.approx([float(one) for one in exact], rel=1e-5)  # losses are never sampled
    some = consecutive_batches(arrays, 5, config, 3)
    assert [sum(batch.size for batch in some)] == [3]
    for one, other, of_two in zip(after[0], after[COLUMNS], after[2], strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
        assert not np.allclose(of_two, one, atol=1e-5)
    batch = next(iter(consecutive_batches(arrays, 4, config)))
    columns, weights = Engine(plans[2])._with_others(batch.targets.columns, np.random.default_rng(0))
    rated = len(batch.targets.columns)
    assert set(columns[:rated]) == set(matrix[:4].indices) and len(set(columns)) == rated + 2
    np.testing.assert_allclose(weights, [0] * rated + [np.log((COLUMNS - rated) / 2)] * 2, rtol=1e-6)


def test_dropout_draws_from_the_generator_and_from_nothing_else() -> None:
    config = DaeConfig(hidden=(6, 3), activation="tanh", loss="multinomial", dropout=0.5, input_dropout=0.5)
    plan = dense_plan(config)
    arrays = Arrays(ratings(), ratings())
    start = plan.layout.from_keras(build_autoencoder(COLUMNS, config, seed=2).get_weights())

    def trained(seed: int) -> np.ndarray:
        engine = Engine(plan)
        engine.load(start, None, 0)
        generator = np.random.default_rng(seed)
        engine.train_batches(training_batches(arrays, np.arange(ROWS), BATCH, config, generator), EACH_STEP, generator)
        return engine.weights()

    assert np.array_equal(trained(1), trained(1))
    assert not np.allclose(trained(1), trained(2))


def test_moments_and_weights_go_out_and_come_back() -> None:
    config = DaeConfig(hidden=(6, 3), loss="masked_mse", activation="tanh")
    plan = replace(dense_plan(config), row_updates=True)
    assert plan.by_rows
    arrays = Arrays(ratings(), ratings())
    start = plan.layout.from_keras(build_autoencoder(COLUMNS, config, seed=2).get_weights())
    order = np.arange(ROWS)

    def batches(rows: np.ndarray) -> Any:
        return training_batches(arrays, rows, BATCH, config, np.random.default_rng(0))

    whole, first, second = Engine(plan), Engine(plan), Engine(plan)
    whole.load(start, None, 0)
    whole.train_batches(batches(order), EACH_STEP, np.random.default_rng(0))
    first.load(start, None, 0)
    first.train_batches(batches(order[:8]), EACH_STEP, np.random.default_rng(0))
    second.load(first.weights(), first.moments(), first.step)
    second.train_batches(batches(order[8:]), EACH_STEP, np.random.default_rng(0))
    assert second.step == whole.step == 3
    np.testing.assert_allclose(second.weights(), whole.weights(), atol=1e-6)
    np.testing.assert_allclose(second.moments(), whole.moments(), atol=1e-7)


def test_a_variational_model_is_sampled_in_training_and_not_in_its_losses() -> None:
    config = VaeConfig(hidden=(6, 5), latent=3, loss="multinomial", activation="tanh")
    plan = plan_for(VariationalLayers(), config, COLUMNS, 0.3, BATCH, 0)
    model = build_variational(COLUMNS, config, seed=2)
    start = plan.layout.from_keras(model.get_weights())
    arrays = Arrays(ratings(), ratings())

    def trained(weight: float, seed: int = 1) -> np.ndarray:
        engine = Engine(plan)
        engine.load(start, None, 0)
        generator = np.random.default_rng(seed)
        batches = training_batches(arrays, np.arange(ROWS), BATCH, config, generator)
        engine.train_batches(batches, [(RATE, weight)] * 3, generator)
        return engine.weights()

    assert np.array_equal(trained(0.2), trained(0.2))
    assert not np.allclose(trained(0.2), trained(0.2, seed=2), atol=1e-4)  # other places
    assert not np.allclose(trained(0.2), trained(0.0), atol=1e-4)  # the divergence pulls
    for name, before, after in zip(
        [weight.path for weight in model.weights],
        model.get_weights(),
        plan.layout.to_keras(trained(0.2)),
        strict=True,
    ):
        assert before.shape == after.shape and not np.allclose(before, after, atol=1e-5), name
    model.set_weights(plan.layout.to_keras(trained(0.2)))
    engine = Engine(plan)
    engine.load_weights(trained(0.2))
    exact = loss_named("multinomial").keras_sums(arrays.inputs.toarray(), run(model, arrays.inputs))
    sums = engine.loss_sums(consecutive_batches(arrays, 5, config))
    assert sums == pytest.approx([float(one) for one in exact], rel=1e-5)
