"""The best movies out of scores that come a block of movies at a time."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from unittest.mock import Mock, patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random

from recsys.data.preprocessing import Preprocessing
from recsys.evaluation import topk
from recsys.evaluation.topk import best_first, best_of_blocks, first_unseen, top_n, top_n_of_blocks
from recsys.models.autoencoder.config import AutoencoderConfig, DaeConfig, VaeConfig
from recsys.models.autoencoder.families import Autoencoder, DenoisingAutoencoder, VariationalAutoencoder
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.base import ModelFamily
from recsys.models.ease.config import EaseConfig
from recsys.models.ease.family import Ease
from recsys.models.sum_model import SumConfig, SumModel

AS_THEY_ARE = Preprocessing(0.5, 1.0)  # divides by 1


def blocks_of(scores: np.ndarray, width: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, scores.shape[1], width):
        yield start, scores[:, start : start + width].copy()


def by_sorting(scores: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
    """Slowly."""
    best = np.full((len(scores), n), -1)
    for row, values in enumerate(scores):
        known = set(seen[row].indices.tolist())
        unseen = [column for column in range(len(values)) if column not in known]
        order = sorted(unseen, key=lambda column: (-values[column], column))[:n]
        best[row, : len(order)] = order
    return best


def test_by_hand() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.9, 0.2], [1, 2, 3, 4, 5]], np.float32)
    seen = csr_matrix(np.array([[0, 3, 0, 0, 0], [0, 0, 1, 1, 1]], np.float32))
    best, values = best_of_blocks(blocks_of(scores, 2), seen, 3)
    assert best.tolist() == [[3, 2, 4], [1, 0, -1]]  # the second user has seen all but two
    np.testing.assert_array_equal(values, np.array([[0.9, 0.5, 0.2], [2, 1, -np.inf]], np.float32))


def test_what_is_no_number_is_never_recommended() -> None:
    scores = np.array([[np.nan, 1, np.nan]], np.float32)
    best, _ = best_of_blocks(blocks_of(scores, 3), csr_matrix((1, 3)), 2)
    assert best.tolist() == [[1, -1]]
    scores = np.arange(10, dtype=np.float32)[None]
    scores[0, 4] = np.nan
    best, _ = best_of_blocks(blocks_of(scores, 10), csr_matrix((1, 10)), 2)
    assert best.tolist() == [[9, 8]]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 6), columns=st.integers(1, 40), width=st.integers(1, 45), n=st.integers(1, 12),
    levels=st.integers(1, 50), density=st.floats(0, 1), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_it_is_the_top_n_of_all_scores_at_once(
    rows: int, columns: int, width: int, n: int, levels: int, density: float, seed: int
) -> None:
    """Also where scores are equal, where few movies are unseen, and whatever the blocks."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, (rows, columns)).astype(np.float32)
    seen = csr_matrix(random(rows, columns, density, random_state=generator))
    n = min(n, columns)
    expected = top_n(scores, seen, n)
    np.testing.assert_array_equal(expected, by_sorting(scores, seen, n))
    np.testing.assert_array_equal(
        first_unseen(best_first(scores[0]), seen, n), top_n(np.tile(scores[:1], (rows, 1)), seen, n)
    )
    best, values = best_of_blocks(blocks_of(scores, width), seen, n)
    np.testing.assert_array_equal(best, expected)
    found = best >= 0
    np.testing.assert_array_equal(values[found], np.take_along_axis(scores, np.maximum(best, 0), 1)[found])


SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, float(np.finfo(np.float32).min), 1e-45]


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(1, 5), columns=st.integers(1, 90), width=st.integers(1, 95), n=st.integers(1, 12),
    spare=st.integers(1, 30), levels=st.integers(1, 50), special=st.floats(0, 1), density=st.floats(0, 1),
    ascending=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_kernel_gives_what_numpy_gives(
    rows: int, columns: int, width: int, n: int, spare: int, levels: int, special: float, density: float,
    ascending: bool, seed: int,
) -> None:  # fmt: skip
    """Buffers that overflow often or never; scores that are none, equal, or better and better."""
    kernels = pytest.importorskip("recsys.evaluation.topk_kernels")
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, (rows, columns)).astype(np.float32)
    scores = np.where(generator.random(scores.shape) < special, generator.choice(SPECIAL, scores.shape), scores)
    scores = np.sort(scores, axis=1).astype(np.float32) if ascending else scores.astype(np.float32)
    seen = csr_matrix(random(rows, columns, density, random_state=generator))
    seen.indices = seen.indices[::-1].copy() if rows == 1 else seen.indices  # not in order
    seen.has_sorted_indices = rows > 1
    untouched = scores.copy()
    with patch.object(kernels, "SPARE", spare):
        found = best_of_blocks(blocks_of(scores, width), seen, n, compiled=True)
        at_once = top_n(scores, seen, n, compiled=True)
    np.testing.assert_array_equal(scores, untouched)
    expected = best_of_blocks(blocks_of(scores, width), seen, n)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(at_once, top_n(scores, seen, n))
    in_blocks = top_n_of_blocks(blocks_of(scores, width), seen, min(n, columns))
    np.testing.assert_array_equal(in_blocks, at_once)


def test_the_kernel_takes_what_the_callers_have() -> None:
    """Scores in another order of memory or precision, and ratings that cannot be written to."""
    pytest.importorskip("numba")
    scores = np.random.default_rng(2).normal(size=(3, 50))
    seen = csr_matrix(random(3, 50, 0.3, random_state=np.random.default_rng(3), dtype=np.float32))
    for array in (seen.data, seen.indices, seen.indptr):
        array.flags.writeable = False
    for these in (scores, np.asfortranarray(scores, np.float32), np.zeros((3, 50), np.float32)):
        np.testing.assert_array_equal(top_n(these, seen, 60, compiled=True), top_n(these, seen, 60))
    assert top_n(scores[:0], seen[:0], 4, compiled=True).shape == (0, 4)


@pytest.mark.parametrize("why", ["no numba", "no room for what it compiles"])
def test_where_there_is_no_kernel_numpy_does_it(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "no numba":
        monkeypatch.setitem(sys.modules, "recsys.evaluation.topk_kernels", None)
        monkeypatch.delattr("recsys.evaluation.topk_kernels", raising=False)
    else:
        kernels = pytest.importorskip("recsys.evaluation.topk_kernels")
        monkeypatch.setattr(kernels, "keep_best", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    topk._kernels.cache_clear()
    try:
        scores = np.array([[1.0, 3.0, 2.0]], np.float32)
        assert top_n(scores, csr_matrix((1, 3)), 2, compiled=True).tolist() == [[1, 2]]
        assert best_of_blocks([(0, scores)], csr_matrix((1, 3)), 1, compiled=True)[0].tolist() == [[1]]
        assert topk._kernels() is None
    finally:
        topk._kernels.cache_clear()


def with_weights(family: type[Autoencoder], config: AutoencoderConfig) -> Autoencoder:
    layout = Layout(11, config, family.architecture)
    flat = np.random.default_rng(3).normal(0, 0.3, layout.size).astype(np.float32)
    return family(config, AS_THEY_ARE, 11, layout.to_keras(flat))


LINEAR = Ease(EaseConfig(), AS_THEY_ARE, np.random.default_rng(4).normal(size=(11, 11)).astype(np.float32))
VARIATIONAL = with_weights(VariationalAutoencoder, VaeConfig(latent=3))


@pytest.mark.parametrize(
    ("model", "in_blocks"),
    [
        (with_weights(DenoisingAutoencoder, DaeConfig()), False),  # a softmax needs all movies
        (with_weights(DenoisingAutoencoder, DaeConfig(loss="masked_mse", input_normalisation="center")), True),
        (VARIATIONAL, True),
        (LINEAR, False),  # all at once is one product of sparse rows
        (SumModel(SumConfig(first=VARIATIONAL.config, second=LINEAR.config), VARIATIONAL, LINEAR), True),
    ],
    ids=["paper", "masked", "vae", "linear", "vae and linear"],
)
def test_outputs_in_blocks_are_the_outputs(model: ModelFamily, in_blocks: bool) -> None:
    scorer = model.scorer()
    rated = csr_matrix(random(5, 11, 0.4, random_state=np.random.default_rng(5), dtype=np.float32))
    pieces = list(scorer.score_blocks(rated, 4))
    assert [start for start, _ in pieces] == ([0, 4, 8] if in_blocks else [0])
    np.testing.assert_allclose(np.concatenate([scores for _, scores in pieces], 1), scorer.score(rated), rtol=1e-5)
    assert not scorer.in_blocks or in_blocks
