"""Losses as sums over weights, as in recsys.models.losses, of dense outputs against sparse rating arrays."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import exponentials_in_place


def loss_sums(loss: str, target: csr_matrix, output: np.ndarray) -> tuple[float, float]:
    """(sum, weight) of the loss of outputs (rows, columns), which are written over."""
    rows, columns = output.shape
    places = np.repeat(np.arange(rows, dtype=np.int64) * columns, np.diff(target.indptr)) + target.indices
    flat = output.ravel()
    if loss == "mse":
        flat[places] -= target.data
        return float(np.dot(flat, flat)) / columns, rows
    rated = flat[places]
    if loss == "masked_mse":
        return float(np.square(target.data - rated, dtype=np.float64).sum()), len(rated)
    highest = exponentials_in_place(output)
    normalisers = np.log(output.sum(axis=1)) + highest[:, 0]
    return float(np.dot(np.diff(target.indptr), normalisers)) - float(rated.sum(dtype=np.float64)), rows
