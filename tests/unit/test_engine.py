"""The workers' step on sparse batches against Keras on dense ones: losses, gradients, weights after some steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.config import ModelConfig
from recsys.quiet import quiet_keras

keras = quiet_keras()

import tensorflow as tf  # noqa: E402

from recsys.models import build_autoencoder, build_model  # noqa: E402
from recsys.models.losses import SUMS, TRAINING  # noqa: E402
from recsys.networks.inner import inner_layers  # noqa: E402
from recsys.networks.layout import Layout  # noqa: E402
from recsys.training import heads  # noqa: E402
from recsys.training.batches import Arrays, consecutive_batches, training_batches  # noqa: E402
from recsys.training.engine import Engine, Plan, plan_for  # noqa: E402

ROWS, COLUMNS, STEPS, BATCH, RATE = 12, 17, 6, 4, 0.01
PACE = [(RATE, 0.0)] * STEPS


def ratings(seed: int = 3, density: float = 0.3) -> csr_matrix:
    generator = np.random.default_rng(seed)
    dense = generator.integers(1, 11, (ROWS, COLUMNS)) / 10 * (generator.random((ROWS, COLUMNS)) < density)
    dense[5] = 0  # somebody who rated nothing
    return csr_matrix(dense.astype(np.float32))


def train_both(config: ModelConfig, plan: Plan) -> tuple[list[np.ndarray], list[np.ndarray], Engine]:
    """Weights after the same steps: by Keras on dense arrays, by the engine on sparse ones."""
    matrix = ratings()
    model = build_autoencoder(COLUMNS, config, seed=2)
    engine = Engine(plan)
    engine.load(plan.layout.from_keras(model.get_weights()), None, 0)
    order = np.tile(np.random.default_rng(7).permutation(ROWS), STEPS * BATCH // ROWS)
    generator = np.random.default_rng(0)
    arrays = Arrays(matrix, matrix)
    assert engine.train(training_batches(arrays, order, BATCH, config, generator), PACE, generator) == STEPS * BATCH
    model.compile(optimizer=keras.optimizers.Adam(RATE), loss=TRAINING[config.loss])
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


@pytest.mark.parametrize("row_updates", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(str(value) for value in model.values()))
def test_steps_are_those_of_keras(model: dict[str, Any], row_updates: bool) -> None:
    config = ModelConfig(**{"hidden": (6, 3), "activation": "tanh", **model})
    plan = plan_for(config, COLUMNS, 0.3, BATCH, 0)
    plan = Plan(config, COLUMNS, plan.decoder, row_updates and not config.l2, 0)
    expected, found, engine = train_both(config, plan)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, atol=3e-5)
    matrix = ratings(4)
    output = tf.constant(run(build(config, found), matrix))
    total, weight = SUMS[config.loss](matrix.toarray(), output)
    sums = engine.loss_sums(consecutive_batches(Arrays(matrix, matrix), 5, config))
    assert sums == pytest.approx((float(total), float(weight)), rel=1e-4)


def build(config: ModelConfig, weights: list[np.ndarray]) -> Any:
    model = build_autoencoder(COLUMNS, config, seed=1)
    model.set_weights(weights)
    return model


def run(model: Any, matrix: csr_matrix) -> Any:
    return model(matrix.toarray(), training=False)


def test_the_cheapest_exact_way_is_chosen() -> None:
    def way(batch_size: int = 64, density: float = 0.002, sampled: int = 0, **model: Any) -> tuple[str, bool]:
        plan = plan_for(ModelConfig(**model), 3000, density, batch_size, sampled)
        return plan.decoder, plan.row_updates

    assert way() == ("dense", True)  # the paper's model
    assert way(density=0.05) == ("dense", False)  # a batch touches nearly all columns
    assert way(loss="masked_mse") == ("rows", True)
    assert way(loss="masked_mse", l2=0.1) == ("rows", False)  # l2 pulls on all rows
    assert way(loss="masked_mse", output_activation="softmax") == ("dense", True)
    assert way(loss="multinomial") == ("dense", True)
    assert way(loss="multinomial", sampled=100) == ("rows", True)
    assert way(output_activation="linear") == ("dense", True)  # 150 wide against 64 rows
    assert way(output_activation="linear", batch_size=128) == ("gramian", True)


def targets_of(matrix: csr_matrix, columns: np.ndarray | None = None) -> heads.Targets:
    entries = matrix.tocoo()
    columns = np.arange(matrix.shape[1]) if columns is None else columns
    slots, means = np.searchsorted(columns, entries.col), np.linspace(0.1, 0.5, matrix.shape[0], dtype=np.float32)
    nothing = np.zeros(len(columns), np.float32)
    return heads.Targets(matrix.shape[0], entries.row, matrix.indptr, slots, entries.data, columns, means, nothing)


def by_definition(function: Any, *variables: np.ndarray) -> list[np.ndarray]:
    """The loss' sum and weight, and the gradients of their quotient."""
    tensors = [tf.constant(one, tf.float32) for one in variables]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total, weight = function(*tensors)
        loss = total / weight
    return [np.asarray(one) for one in (total, weight, *tape.gradient(loss, tensors))]


def by_head(head: Any, h: np.ndarray, *decoder: np.ndarray) -> list[np.ndarray]:
    """The same of a head, whose two halves write to the same memory."""
    given = [one.astype(np.float32) for one in (h, *decoder)]
    gradients = [np.full(one.shape, 7, np.float32) for one in decoder]
    for_h = head(*given, heads.Work()).back(gradients)
    return [*head(*given, heads.Work()).sums(), for_h, *gradients]


def random_end(width: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    return generator.normal(size=(ROWS, width)), generator.normal(size=(width, COLUMNS)), generator.normal(size=COLUMNS)


@pytest.mark.parametrize(
    ("head", "loss", "activation"),
    [(heads.softmax_mse, "mse", "softmax"), (heads.multinomial, "multinomial", "linear")],
)
def test_dense_ends_against_the_definition(head: Any, loss: str, activation: str) -> None:
    matrix = ratings()
    targets = targets_of(matrix)

    def plain(h: Any, kernel: Any, bias: Any) -> Any:
        return SUMS[loss](matrix.toarray(), keras.activations.get(activation)(h @ kernel + bias))

    expected = by_definition(plain, *random_end())
    found = by_head(lambda h, kernel, bias, work: head(h, kernel, bias, targets, work), *random_end())
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("density", [0.02, 0.4])  # outputs computed one by one, and as a matrix
@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh"])
def test_rated_entries_alone_against_the_definition(activation: str, density: float) -> None:
    matrix = ratings(density=density)
    columns = np.unique(matrix.indices)
    targets = targets_of(matrix, columns)
    h, kernel, bias = random_end()
    decoder = np.concatenate([kernel.T, bias[:, None]], axis=1)

    def plain(h: Any, decoder: Any) -> Any:
        output = keras.activations.get(activation)(h @ tf.transpose(decoder[:, :-1]) + decoder[:, -1])
        return SUMS["masked_mse"](matrix.toarray(), output + targets.offsets[:, None])

    total, weight, for_h, for_decoder = by_definition(plain, h, decoder)
    found = by_head(lambda h, rows, work: heads.masked_mse(activation, h, rows, targets, work), h, decoder[columns])
    assert float(found[0]) == pytest.approx(float(total), rel=1e-5)
    assert float(found[1]) == float(weight) == matrix.nnz
    np.testing.assert_allclose(found[2], for_h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[3], for_decoder[columns], rtol=1e-4, atol=1e-5)
    assert not for_decoder[np.setdiff1d(np.arange(COLUMNS), columns)].any()


def test_gramians_against_the_definition() -> None:
    matrix = ratings()
    targets = targets_of(matrix)
    h, kernel, bias = random_end()
    decoder = np.concatenate([kernel.T, bias[:, None]], axis=1)

    def plain(h: Any, decoder: Any) -> Any:
        output = h @ tf.transpose(decoder[:, :-1]) + decoder[:, -1] + targets.offsets[:, None]
        return SUMS["mse"](matrix.toarray(), output)

    expected = by_definition(plain, h, decoder)
    found = by_head(lambda h, decoder, work: heads.gramian_mse(h, decoder, targets, work), h, decoder)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-5)


def test_a_sample_of_all_columns_is_the_exact_softmax_and_smaller_ones_stand_for_all() -> None:
    config = ModelConfig(hidden=(6,), activation="tanh", loss="multinomial")
    matrix = ratings(density=0.1)
    arrays = Arrays(matrix, matrix)
    model = build_autoencoder(COLUMNS, config, seed=2)
    plans = {
        sampled: Plan(config, COLUMNS, "rows" if sampled else "dense", False, sampled) for sampled in (0, 2, COLUMNS)
    }
    after = {}
    for sampled, plan in plans.items():
        engine = Engine(plan)
        engine.load(plan.layout.from_keras(model.get_weights()), None, 0)
        generator = np.random.default_rng(0)
        engine.train(training_batches(arrays, np.arange(ROWS), BATCH, config, generator), PACE, generator)
        after[sampled] = plan.layout.to_keras(engine.weights())
        engine.load(plan.layout.from_keras(model.get_weights()), None, 0)
        exact = SUMS["multinomial"](matrix.toarray(), run(model, matrix))
        sums = engine.loss_sums(consecutive_batches(arrays, 5, config))
        assert sums == pytest.approx([float(one) for one in exact], rel=1e-5)  # losses are never sampled
    for one, other, sampled in zip(after[0], after[COLUMNS], after[2], strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
        assert not np.allclose(sampled, one, atol=1e-5)
    batch = next(iter(consecutive_batches(arrays, 4, config)))
    columns, weights = Engine(plans[2])._with_others(batch.targets.columns, np.random.default_rng(0))
    rated = len(batch.targets.columns)
    assert set(columns[:rated]) == set(matrix[:4].indices) and len(set(columns)) == rated + 2
    np.testing.assert_allclose(weights, [0] * rated + [np.log((COLUMNS - rated) / 2)] * 2, rtol=1e-6)


def test_dropout_draws_from_the_generator_and_from_nothing_else() -> None:
    config = ModelConfig(hidden=(6, 3), activation="tanh", loss="multinomial", dropout=0.5, input_dropout=0.5)
    plan = plan_for(config, COLUMNS, 0.3, BATCH, 0)
    arrays = Arrays(ratings(), ratings())
    start = plan.layout.from_keras(build_autoencoder(COLUMNS, config, seed=2).get_weights())

    def trained(seed: int) -> np.ndarray:
        engine = Engine(plan)
        engine.load(start, None, 0)
        generator = np.random.default_rng(seed)
        engine.train(training_batches(arrays, np.arange(ROWS), BATCH, config, generator), PACE, generator)
        return engine.weights()

    assert np.array_equal(trained(1), trained(1))
    assert not np.allclose(trained(1), trained(2))


def test_moments_and_weights_go_out_and_come_back() -> None:
    config = ModelConfig(hidden=(6, 3), loss="masked_mse", activation="tanh")
    plan = Plan(config, COLUMNS, "rows", True, 0)
    arrays = Arrays(ratings(), ratings())
    start = plan.layout.from_keras(build_autoencoder(COLUMNS, config, seed=2).get_weights())
    order = np.arange(ROWS)

    def batches(rows: np.ndarray) -> Any:
        return training_batches(arrays, rows, BATCH, config, np.random.default_rng(0))

    whole, first, second = Engine(plan), Engine(plan), Engine(plan)
    whole.load(start, None, 0)
    whole.train(batches(order), PACE, np.random.default_rng(0))
    first.load(start, None, 0)
    first.train(batches(order[:8]), PACE, np.random.default_rng(0))
    second.load(first.weights(), first.moments(), first.step)
    second.train(batches(order[8:]), PACE, np.random.default_rng(0))
    assert second.step == whole.step == 3
    np.testing.assert_allclose(second.weights(), whole.weights(), atol=1e-6)
    np.testing.assert_allclose(second.moments(), whole.moments(), atol=1e-7)


def test_a_variational_model_is_sampled_in_training_and_not_in_its_losses() -> None:
    config = ModelConfig(kind="vae", hidden=(6, 5), latent=3, loss="multinomial", activation="tanh")
    plan = plan_for(config, COLUMNS, 0.3, BATCH, 0)
    model = build_model(COLUMNS, config, seed=2)
    start = plan.layout.from_keras(model.get_weights())
    arrays = Arrays(ratings(), ratings())

    def trained(weight: float, seed: int = 1) -> np.ndarray:
        engine = Engine(plan)
        engine.load(start, None, 0)
        generator = np.random.default_rng(seed)
        batches = training_batches(arrays, np.arange(ROWS), BATCH, config, generator)
        engine.train(batches, [(RATE, weight)] * 3, generator)
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
    exact = SUMS["multinomial"](arrays.inputs.toarray(), run(model, arrays.inputs))
    sums = engine.loss_sums(consecutive_batches(arrays, 5, config))
    assert sums == pytest.approx([float(one) for one in exact], rel=1e-5)


def test_places_are_drawn_around_their_means_and_the_divergence_is_told() -> None:
    config = ModelConfig(kind="vae", hidden=(2,), latent=3, activation="linear", loss="multinomial")
    mean, log_variance = [1.0, -2.0, 0.0], [0.0, np.log(4), np.log(0.25)]
    weights = [np.zeros((2, 3)), mean, np.zeros((2, 3)), log_variance, np.eye(3, 2), np.zeros(2)]
    weights = [np.asarray(one, np.float32) for one in weights]
    z = np.zeros((20_000, 2), np.float32)
    places, divergence, _ = inner_layers(config, z, weights, np.random.default_rng(3))
    np.testing.assert_allclose(np.mean(places, axis=0), mean[:2], atol=0.06)
    np.testing.assert_allclose(np.std(places, axis=0), [1, 2], rtol=0.03)
    # 1/2 (e^v + m^2 - 1 - v), summed: the logarithms cancel
    assert float(divergence) == pytest.approx(0.5 * ((1 + 4 + 0.25) + (1 + 4 + 0) - 3), rel=1e-5)
    certain, _, _ = inner_layers(config, z, weights, None)
    np.testing.assert_allclose(certain[0], mean[:2])


def test_dropout_of_hidden_units_keeps_their_expected_sum() -> None:
    config = ModelConfig(hidden=(2000,), activation="sigmoid", loss="multinomial", dropout=0.25)
    hidden, _, _ = inner_layers(config, np.zeros((1, 2000), np.float32), [], np.random.default_rng(1))
    values, counts = np.unique(np.asarray(hidden), return_counts=True)
    np.testing.assert_allclose(values, [0, 0.5 / 0.75])
    assert counts[0] / 2000 == pytest.approx(0.25, abs=0.05)
    assert hidden.dtype == np.float32


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(hidden=(4, 3, 5), activation="tanh", dropout=0.3),
        ModelConfig(kind="vae", hidden=(4, 3), latent=2, activation="tanh", loss="multinomial", dropout=0.3),
    ],
    ids=["dae", "vae"],
)
def test_inner_layers_backwards_are_the_slopes_of_forwards(config: ModelConfig) -> None:
    generator = np.random.default_rng(8)
    weights = [generator.normal(size=shape) for shape in Layout(COLUMNS, config).shapes[2:-2]]
    z, direction, weight = generator.normal(size=(6, 4)), None, 0.7

    def loss(z: np.ndarray, weights: list[np.ndarray]) -> tuple[float, Any]:
        nonlocal direction
        h, divergence, back = inner_layers(config, z.copy(), weights, np.random.default_rng(5))
        direction = np.random.default_rng(6).normal(size=h.shape) if direction is None else direction
        return float((h * direction).sum() + weight * divergence), back

    _, back = loss(z, weights)
    into = [np.zeros_like(one) for one in weights]
    found = [back(direction, weight, into), *into]
    for number, (one, gradient) in enumerate(zip([z, *weights], found, strict=True)):
        for place in np.ndindex(one.shape):
            changed = []
            for change in (1e-5, -1e-5):
                all_of_them = [np.array(each) for each in (z, *weights)]
                all_of_them[number][place] += change
                changed.append(loss(all_of_them[0], all_of_them[1:])[0])
            assert gradient[place] == pytest.approx((changed[0] - changed[1]) / 2e-5, rel=1e-4, abs=1e-6), number
