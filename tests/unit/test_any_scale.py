"""A rating of 0, or below, is a rating in blocks, splits, rating arrays, batches and losses: as the stars 1 to 5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scales import DENSE, SCALES, STARS, USERS, Map, block_on, every_scale, examples_of, mapped, scale_of, scorer_of
from scipy.sparse import csr_matrix, vstack
from small_ratings import block_of, sparse

from recsys.data.arrays import arrays_of
from recsys.data.blocks import block_from_row, stored
from recsys.data.orientation import entries, movie_block
from recsys.data.partition import concatenate, regroup
from recsys.data.preprocessing import keep_entries
from recsys.data.split import TEST, TRAIN, VALIDATION, hold_out
from recsys.evaluation.loss import loss_sums
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.kernels.batches import consecutive_batches, training_batches
from recsys.registries import LOSSES, loss_named

dense_stars = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.sampled_from([0, 0, 1, 2, 3, 4, 5])
)


def same(found: csr_matrix, stars: csr_matrix, other: Map) -> None:
    """The same entries in the same places."""
    expected = mapped(stars, other)
    assert found.shape == expected.shape
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@settings(max_examples=40, deadline=None)
@given(dense=dense_stars, size=st.integers(1, 4), number=st.integers(0, len(SCALES) - 1))
def test_blocks_splits_and_movies_arrays_keep_every_entry(dense: np.ndarray, size: int, number: int) -> None:
    other = list(SCALES.values())[number]
    users, movies = np.arange(100, 100 + len(dense)), dense.shape[1]
    stars = block_of(dense, users)
    block = block_on(stars, other)
    assert (block.ratings == 0).sum() == (dense == -other[1] / other[0]).sum()
    again = block_from_row(stored(concatenate(list(regroup([block], size)))).to_pylist()[0])
    same(again.matrix(movies), stars.matrix(movies), other)
    mask = users % 2 == 0
    same(block.take(mask).matrix(movies), stars.take(mask).matrix(movies), other)
    by_movie, of_stars = (movie_block(*entries(one, users)) for one in (block, stars))
    assert by_movie.users.tolist() == of_stars.users.tolist()
    same(by_movie.matrix(len(users)), of_stars.matrix(len(users)), other)
    for split in ("user", "rating"):
        examples, expected = (examples_of(scale, split, movies) for scale in (scale_of(other), STARS))
        for role in (TRAIN, VALIDATION, TEST):
            assert (examples.rows(block, role) == expected.rows(stars, role)).all()
            for function in ("arrays", "shown_and_held"):
                found = getattr(examples, function)(block, role), getattr(expected, function)(stars, role)
                for one, one_of_stars in zip(*found, strict=True):
                    same(one, one_of_stars, other)
    for found_part, part in zip(
        hold_out(block.matrix(movies), block.hashes, 1, 0.4), hold_out(stars.matrix(movies), stars.hashes, 1, 0.4),
        strict=True,
    ):  # fmt: skip
        same(found_part, part, other)


@every_scale
def test_scipy_drops_no_stored_zero_in_what_is_done_here(other: Map) -> None:
    stars = sparse(DENSE)
    matrix = mapped(stars, other)
    rows = np.array([4, 0, 2])
    same(matrix[rows], stars[rows], other)
    same(matrix[1:4], stars[1:4], other)
    same(matrix.tocsc().tocsr(), stars, other)
    same(vstack([matrix[:2], matrix[2:]]).tocsr(), stars, other)
    same(matrix.sorted_indices(), stars, other)
    same(keep_entries(matrix, np.ones(matrix.nnz, bool)), stars, other)


@every_scale
def test_rating_arrays_and_batches_are_those_of_stars(other: Map) -> None:
    stars = block_of(DENSE, USERS)
    for split in ("user", "rating"):
        for role in (TRAIN, VALIDATION, TEST):
            arrays = arrays_of([block_on(stars, other)], examples_of(scale_of(other), split), role)
            expected = arrays_of([stars], examples_of(STARS, split), role)
            for one, of_stars in ((arrays.inputs, expected.inputs), (arrays.targets, expected.targets)):
                assert (one.nnz, one.indices.tolist()) == (of_stars.nnz, of_stars.indices.tolist())
                np.testing.assert_allclose(one.data, of_stars.data, rtol=1e-6)
            for normalisation in ("none", "l2", "center", "offset"):
                model = DaeConfig(hidden=(3,), loss="masked_mse", input_normalisation=normalisation)
                found = list(consecutive_batches(arrays, 2, model))
                for batch, batch_of_stars in zip(found, consecutive_batches(expected, 2, model), strict=True):
                    assert batch.inputs.slots.tolist() == batch_of_stars.inputs.slots.tolist()
                    for name in ("inputs", "targets"):
                        values = getattr(batch, name).values, getattr(batch_of_stars, name).values
                        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-6)
                    np.testing.assert_allclose(batch.offsets, batch_of_stars.offsets, rtol=1e-6)


@every_scale
def test_dropout_drops_entries_not_zeros(other: Map) -> None:
    model = DaeConfig(hidden=(3,), loss="masked_mse", input_dropout=0.5)
    arrays = arrays_of([block_on(block_of(DENSE, USERS), other)], examples_of(scale_of(other), "rating"), TRAIN)
    expected = arrays_of([block_of(DENSE, USERS)], examples_of(STARS, "rating"), TRAIN)
    dropped, of_stars = (
        next(training_batches(one, np.arange(5), 5, model, np.random.default_rng(1))).inputs
        for one in (arrays, expected)
    )
    assert dropped.slots.tolist() == of_stars.slots.tolist()
    np.testing.assert_allclose(dropped.values, of_stars.values, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES.names())
@every_scale
def test_losses_are_those_of_stars(name: str, other: Map) -> None:
    class Shared:
        value = scorer_of(STARS)

    class SharedOther:
        value = scorer_of(scale_of(other))

    stars = block_of(DENSE, USERS)
    shared: Any = Shared()
    shared_other: Any = SharedOther()
    for split, role in (("user", TRAIN), ("rating", VALIDATION), ("rating", TEST)):
        expected = loss_sums(iter([stars]), shared, examples_of(STARS, split), loss_named(name), role)
        blocks = iter([block_on(stars, other)])
        found = loss_sums(blocks, shared_other, examples_of(scale_of(other), split), loss_named(name), role)
        assert found == pytest.approx(expected, rel=1e-5)
        assert expected[1] > 0
