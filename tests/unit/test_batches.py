"""Batches of sparse rating arrays, and the arrays that a worker makes of its blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from small_ratings import RATINGS, block_of, sparse

from recsys.config.load import build_config
from recsys.data.arrays import Arrays, arrays_of
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN, VALIDATION
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.kernels import normalisation
from recsys.models.autoencoder.kernels.batches import (
    Batch,
    Entries,
    consecutive_batches,
    drop,
    training_batches,
)
from recsys.models.autoencoder.kernels.normalisation import normalise


def dense(entries: Entries, rows: int, columns: int = 7) -> np.ndarray:
    result = np.zeros((rows, columns), np.float32)
    result[entries.rows, entries.columns[entries.slots]] = entries.values
    return result


def examples(**data: object) -> Examples:
    return Examples.of(build_config({"seed": 5, "data": {"dataset": "ml-1m", **data}}), 7, Preprocessing(0.5, 5.0))


def test_blocks_become_scaled_rating_arrays_in_their_order() -> None:
    blocks = [block_of().take(np.array(rows, int)) for rows in ([0, 1], [], [2, 3, 4])]
    arrays = arrays_of(blocks, examples(), TRAIN)
    assert arrays.targets is arrays.inputs  # nothing is held twice
    np.testing.assert_allclose(arrays.inputs.toarray(), RATINGS / 5)
    assert arrays_of([], examples(), TRAIN).rows == 0


def test_by_rating_what_is_shown_and_what_is_asked_differ() -> None:
    by_rating = examples(split="rating", test_fraction=0.2, validation_fraction=0.4)
    train, validation = (arrays_of([block_of()], by_rating, role) for role in (TRAIN, VALIDATION))
    assert train.targets is train.inputs
    np.testing.assert_allclose(validation.inputs.toarray(), train.inputs.toarray())
    both = validation.inputs.toarray() * validation.targets.toarray()
    assert validation.targets.nnz and not both.any()


def test_batches_hold_the_rows_in_the_order_given() -> None:
    matrix = sparse(RATINGS / 5)
    order = np.array([3, 0, 4, 1, 2])
    batches = list(training_batches(Arrays(matrix, matrix), order, 2, DaeConfig(), np.random.default_rng(0)))
    assert [batch.size for batch in batches] == [2, 2, 1]
    assert all(batch.inputs is batch.targets for batch in batches)
    stacked = np.concatenate([dense(batch.targets, batch.size) for batch in batches])
    np.testing.assert_allclose(stacked, RATINGS[order] / 5)
    assert batches[0].targets.columns.tolist() == [0, 2, 3, 5, 6]  # distinct, ascending
    assert batches[0].targets.rows.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("scale", [1.0, 25.0])
@pytest.mark.parametrize("how", ["none", "l2", "center", "offset"])
def test_normalisation_is_that_of_the_model(how: Any, scale: float) -> None:
    import keras

    from recsys.models.autoencoder.keras_models import build_autoencoder

    config = DaeConfig(hidden=(3,), input_normalisation=how, input_scale=scale)
    model = build_autoencoder(7, config, seed=1)
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    empty = np.concatenate([RATINGS / 5, np.zeros((1, 7))]).astype(np.float32)
    expected = keras.Model(model.input, first.input)(empty)
    found, offsets = normalise(sparse(empty), config)
    np.testing.assert_allclose(found.toarray(), np.asarray(expected), atol=1e-6 * scale)
    counts = np.count_nonzero(empty, axis=1)
    expected_offsets = {
        "center": [row[row > 0].mean() if row.any() else 0 for row in empty],
        "offset": (empty.sum(axis=1) + 3.5) / (counts + 5),
    }
    np.testing.assert_allclose(offsets, expected_offsets.get(how, np.zeros(6)), rtol=1e-6)


@pytest.mark.parametrize("piece", [1, 3, 8])
@pytest.mark.parametrize("how", ["none", "center", "l2", "offset"])
def test_rows_are_normalised_the_same_however_many_at_a_time(
    how: Any, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without entries, at both ends too, and rows with more entries than are taken together."""
    lengths = [0, 3, 0, 0, 1, 7, 2, 0]
    generator = np.random.default_rng(4)
    data = generator.random(sum(lengths)).astype(np.float32)
    columns = np.concatenate([np.arange(length) for length in lengths])
    matrix = csr_matrix((data, columns, np.cumsum([0, *lengths])), shape=(8, 7))
    config = DaeConfig(input_normalisation=how, input_scale=1.5)
    whole, offsets = normalise(matrix, config)
    monkeypatch.setattr(normalisation, "_PIECE", piece)
    found, same = normalise(matrix, config)
    assert np.array_equal(found.data, whole.data) and np.array_equal(same, offsets)
    assert len(offsets) == 8 and found.data.dtype == np.float32
    if how == "l2":
        lengths_found = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
        np.testing.assert_allclose(lengths_found, [1.5 * (length > 0) for length in lengths], rtol=1e-6)


def test_dropout_drops_the_input_alone_and_scales_what_is_left() -> None:
    matrix = csr_matrix(np.full((40, 50), 0.5, np.float32))
    config = DaeConfig(input_dropout=0.25)
    (batch,) = training_batches(Arrays(matrix, matrix), np.arange(40), 64, config, np.random.default_rng(1))
    assert (batch.targets.values == 0.5).all() and len(batch.targets.values) == 2000
    np.testing.assert_allclose(batch.inputs.values, 0.5 / 0.75)
    assert 0.70 < len(batch.inputs.values) / 2000 < 0.80
    (again,) = training_batches(Arrays(matrix, matrix), np.arange(40), 64, config, np.random.default_rng(1))
    assert np.array_equal(again.inputs.rows, batch.inputs.rows)
    (whole,) = consecutive_batches(Arrays(matrix, matrix), 64, config)
    assert whole.inputs is whole.targets


def test_what_is_dropped_stays_in_its_row_and_column() -> None:
    rows, starts, slots = (np.array(one, np.int32) for one in ([0, 0, 1], [0, 2, 3], [0, 1, 1]))
    entries = Entries(rows, starts, slots, np.ones(3, np.float32), np.arange(2))
    kept = drop(entries, 0.5, np.random.default_rng(3))
    places = set(zip(kept.rows.tolist(), kept.slots.tolist(), strict=True))
    assert places < {(0, 0), (0, 1), (1, 1)}


matrices = st.tuples(st.integers(0, 9), st.integers(1, 8), st.integers(0, 99), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(matrices, st.integers(1, 4), st.sampled_from(["none", "l2", "center"]))
def test_nothing_is_lost_between_arrays_and_batches(shape: tuple, size: int, how: Any) -> None:
    rows, columns, seed, density = shape
    generator = np.random.default_rng(seed)
    whole = generator.random((rows, columns)) * (generator.random((rows, columns)) < density)
    matrix = csr_matrix(whole.astype(np.float32))
    order = generator.permutation(rows)
    config = DaeConfig(input_normalisation=how)
    batches: list[Batch] = list(training_batches(Arrays(matrix, matrix), order, size, config, generator))
    assert sum(batch.size for batch in batches) == rows
    for part in ("targets", "inputs"):
        expected = (matrix if part == "targets" else normalise(matrix, config)[0]).toarray()[order]
        found = [dense(getattr(batch, part), batch.size, columns) for batch in batches]
        np.testing.assert_allclose(np.concatenate([np.zeros((0, columns)), *found]), expected)
