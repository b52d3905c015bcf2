"""The input layer's products with sparse rows against dense ones, by NumPy and by kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import random as random_matrix

from recsys.models.autoencoder.kernels import compiled_steps, numpy_steps
from recsys.models.autoencoder.kernels.batches import Columns, entries_of


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 23), st.integers(1, 9)),
    density=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 999),
)
@pytest.mark.parametrize("steps", [numpy_steps, compiled_steps], ids=["numpy", "compiled"])
def test_sums_and_gradients(steps: Any, size: tuple[int, int, int], density: float, seed: int) -> None:
    (rows, columns, width), draw = size, np.random.default_rng(seed)
    matrix = random_matrix(rows, columns, density, "csr", np.float32, seed)
    entries = entries_of(matrix, np.arange(rows), Columns(columns))
    kernel, bias = draw.normal(size=(columns, width)).astype(np.float32), draw.normal(size=width).astype(np.float32)
    expected = matrix.toarray() @ kernel + bias
    touched = kernel[entries.columns]
    np.testing.assert_allclose(steps.encode(entries, rows, touched, bias), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(steps.encode_by_all(entries, rows, kernel, bias), expected, rtol=1e-5, atol=1e-5)

    gradient = draw.normal(size=(rows, width)).astype(np.float32)
    expected = matrix.toarray().T @ gradient
    found = steps.encoder_gradient(entries, rows, gradient)
    np.testing.assert_allclose(found, expected[entries.columns], rtol=1e-5, atol=1e-5)
    whole = np.full_like(kernel, 7)
    steps.write_encoder_gradient(entries, rows, gradient, whole)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-5)
