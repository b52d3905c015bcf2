"""What each loss makes of a batch against its definition on dense arrays: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

import tensorflow as tf  # noqa: E402

from recsys.losses import multinomial as multinomial_module  # noqa: E402
from recsys.losses.base import Targets, Work  # noqa: E402
from recsys.losses.masked_mse import masked_mse  # noqa: E402
from recsys.losses.mse import gramian_mse, softmax_mse  # noqa: E402
from recsys.losses.multinomial import multinomial, multinomial_sums  # noqa: E402
from recsys.registries import loss_named  # noqa: E402

ROWS, COLUMNS = 12, 17


def ratings(seed: int = 3, density: float = 0.3) -> csr_matrix:
    generator = np.random.default_rng(seed)
    dense = generator.integers(1, 11, (ROWS, COLUMNS)) / 10 * (generator.random((ROWS, COLUMNS)) < density)
    dense[5] = 0  # somebody who rated nothing
    return csr_matrix(dense.astype(np.float32))


def targets_of(matrix: csr_matrix, columns: np.ndarray | None = None) -> Targets:
    entries = matrix.tocoo()
    columns = np.arange(matrix.shape[1]) if columns is None else columns
    slots, means = np.searchsorted(columns, entries.col), np.linspace(0.1, 0.5, matrix.shape[0], dtype=np.float32)
    nothing = np.zeros(len(columns), np.float32)
    return Targets(matrix.shape[0], entries.row, matrix.indptr, slots, entries.data, columns, means, nothing)


def by_definition(function: Any, *variables: np.ndarray) -> list[np.ndarray]:
    """The loss' sum and weight, and the gradients of their quotient."""
    tensors = [tf.constant(one, tf.float32) for one in variables]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total, weight = function(*tensors)
        loss = total / weight
    return [np.asarray(one) for one in (total, weight, *tape.gradient(loss, tensors))]


def by_result(result_of: Any, h: np.ndarray, *decoder: np.ndarray) -> list[np.ndarray]:
    """The same of a LossResult, whose two halves write to the same memory."""
    given = [one.astype(np.float32) for one in (h, *decoder)]
    gradients = [np.full(one.shape, 7, np.float32) for one in decoder]
    for_h = result_of(*given, Work()).back(gradients)
    return [*result_of(*given, Work()).sums(), for_h, *gradients]


@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
def test_the_multinomial_loss_a_block_of_columns_at_a_time(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    h, kernel, bias = (one.astype(np.float32) for one in random_layer())
    kernel[:, -1] = 90.0  # the highest output is in the last block
    matrix = ratings()
    columns = np.unique(matrix.indices)
    decoder = np.concatenate([kernel.T, bias[:, None]], axis=1)
    expected = multinomial(h, kernel, bias, targets_of(matrix), Work()).sums()
    for width in (1, 5, COLUMNS, 100):
        monkeypatch.setattr(multinomial_module, "_COLUMNS_AT_A_TIME", width)
        found = multinomial_sums(h, decoder, targets_of(matrix, columns), Work(), compiled=compiled)
        assert found == pytest.approx(expected, rel=1e-5), width


def random_layer(width: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    return generator.normal(size=(ROWS, width)), generator.normal(size=(width, COLUMNS)), generator.normal(size=COLUMNS)


@pytest.mark.parametrize(
    ("result_of", "loss", "activation"),
    [(softmax_mse, "mse", "softmax"), (multinomial, "multinomial", "linear")],
)
def test_dense_outputs_against_the_definition(result_of: Any, loss: str, activation: str) -> None:
    matrix = ratings()
    targets = targets_of(matrix)

    def plain(h: Any, kernel: Any, bias: Any) -> Any:
        return loss_named(loss).keras_sums(matrix.toarray(), keras.activations.get(activation)(h @ kernel + bias))

    expected = by_definition(plain, *random_layer())
    found = by_result(lambda h, kernel, bias, work: result_of(h, kernel, bias, targets, work), *random_layer())
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("density", [0.02, 0.4])  # outputs computed one by one, and as a matrix
@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh"])
def test_rated_entries_alone_against_the_definition(activation: str, density: float) -> None:
    matrix = ratings(density=density)
    columns = np.unique(matrix.indices)
    targets = targets_of(matrix, columns)
    h, kernel, bias = random_layer()
    decoder = np.concatenate([kernel.T, bias[:, None]], axis=1)

    def plain(h: Any, decoder: Any) -> Any:
        output = keras.activations.get(activation)(h @ tf.transpose(decoder[:, :-1]) + decoder[:, -1])
        return loss_named("masked_mse").keras_sums(matrix.toarray(), output + targets.offsets[:, None])

    total, weight, for_h, for_decoder = by_definition(plain, h, decoder)
    found = by_result(lambda h, rows, work: masked_mse(activation, h, rows, targets, work), h, decoder[columns])
    assert float(found[0]) == pytest.approx(float(total), rel=1e-5)
    assert float(found[1]) == float(weight) == matrix.nnz
    np.testing.assert_allclose(found[2], for_h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[3], for_decoder[columns], rtol=1e-4, atol=1e-5)
    assert not for_decoder[np.setdiff1d(np.arange(COLUMNS), columns)].any()


def test_gramians_against_the_definition() -> None:
    matrix = ratings()
    targets = targets_of(matrix)
    h, kernel, bias = random_layer()
    decoder = np.concatenate([kernel.T, bias[:, None]], axis=1)

    def plain(h: Any, decoder: Any) -> Any:
        output = h @ tf.transpose(decoder[:, :-1]) + decoder[:, -1] + targets.offsets[:, None]
        return loss_named("mse").keras_sums(matrix.toarray(), output)

    expected = by_definition(plain, h, decoder)
    found = by_result(lambda h, decoder, work: gramian_mse(h, decoder, targets, work), h, decoder)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-5)
