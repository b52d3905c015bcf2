"""The best movies out of scores that come a block of movies at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random

from recsys.config import ModelConfig
from recsys.evaluation.metrics import top_n, top_of_all
from recsys.evaluation.topk import best_of_blocks
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.network import Network


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
    scores = np.float32([[0.1, 0.9, 0.5, 0.9, 0.2], [1, 2, 3, 4, 5]])
    seen = csr_matrix(np.float32([[0, 3, 0, 0, 0], [0, 0, 1, 1, 1]]))
    best, values = best_of_blocks(blocks_of(scores, 2), seen, 3)
    assert best.tolist() == [[3, 2, 4], [1, 0, -1]]  # the second user has seen all but two
    np.testing.assert_array_equal(values, np.float32([[0.9, 0.5, 0.2], [2, 1, -np.inf]]))


def test_what_is_no_number_is_never_recommended() -> None:
    scores = np.float32([[np.nan, 1, np.nan]])
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
    np.testing.assert_array_equal(top_of_all(scores[0], seen, n), top_n(np.tile(scores[:1], (rows, 1)), seen, n))
    best, values = best_of_blocks(blocks_of(scores, width), seen, n)
    np.testing.assert_array_equal(best, expected)
    found = best >= 0
    np.testing.assert_array_equal(values[found], np.take_along_axis(scores, np.maximum(best, 0), 1)[found])


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(),  # a softmax, which needs all movies
        ModelConfig(loss="masked_mse", input_normalisation="center"),
        ModelConfig(loss="multinomial", kind="vae", latent=3, linear="ease"),
        ModelConfig(loss="multinomial", kind="linear", linear="ease"),
    ],
    ids=["paper", "masked", "vae and linear", "linear"],
)
def test_outputs_in_blocks_are_the_outputs(config: ModelConfig) -> None:
    generator = np.random.default_rng(3)
    layout = Layout(11, config)
    flat = generator.normal(0, 0.3, 0 if config.kind == "linear" else layout.size).astype(np.float32)
    linear = generator.normal(size=(11, 11)).astype(np.float32) if config.linear != "none" else None
    network = Network(layout, flat, linear)
    rated = csr_matrix(random(5, 11, 0.4, random_state=generator, dtype=np.float32))
    pieces = list(network.output_blocks(rated, 4))
    assert [start for start, _ in pieces] == ([0] if config == ModelConfig() else [0, 4, 8])
    np.testing.assert_allclose(np.concatenate([one for _, one in pieces], 1), network.outputs(rated), rtol=1e-5)
