"""How rating arrays enter a model, and what it adds to all outputs of one, by `model.input_normalisation`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from recsys.models.autoencoder.config import AutoencoderConfig

# "offset": what the mean of an array is drawn towards, and by how many ratings. MovieLens' mean is 0.70 to 0.72 of the
# highest rating in every release.
PRIOR_MEAN = 0.7
PRIOR_RATINGS = 5.0
_PIECE = 1 << 18  # entries of about so many are normalised together


def row_offsets(how: str, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """float32 (rows): the offset of arrays with these sums of scaled ratings and counts of ratings.

    "center": the mean, 0 without ratings. "offset": the mean drawn towards PRIOR_MEAN by PRIOR_RATINGS more ratings.
    """
    if how == "center":
        return (sums / np.maximum(counts, 1)).astype(np.float32)
    if how == "offset":
        return ((sums + PRIOR_MEAN * PRIOR_RATINGS) / (counts + PRIOR_RATINGS)).astype(np.float32)
    return np.zeros(len(sums), np.float32)


def normalise(inputs: csr_matrix, model: AutoencoderConfig) -> tuple[csr_matrix, np.ndarray]:
    """The inputs as the first layer sees them, and what the model adds to each row's outputs: as its Keras graph."""
    how, indptr = model.input_normalisation, inputs.indptr
    changes = how in ("center", "l2") or model.input_scale != 1
    data = np.empty(inputs.nnz, np.float32) if changes else inputs.data
    offsets = np.empty(inputs.shape[0], np.float32)
    # sums are in double precision: of all entries at once that would take many times the memory of the entries
    firsts = np.searchsorted(indptr, np.arange(0, max(1, inputs.nnz), _PIECE)).tolist()
    for first, last in pairwise([*dict.fromkeys([0, *firsts]), inputs.shape[0]]):
        entries = slice(indptr[first], indptr[last])
        offsets[first:last], entered = _normalised(inputs.data[entries], np.diff(indptr[first : last + 1]), model)
        if changes:
            data[entries] = entered
    if not changes:
        return inputs, offsets
    return csr_matrix((data, inputs.indices, indptr), shape=inputs.shape), offsets


def _normalised(data: np.ndarray, counts: np.ndarray, model: AutoencoderConfig) -> tuple[np.ndarray, np.ndarray]:
    """The offsets of rows with so many entries each, and the entries as the first layer sees them."""
    how = model.input_normalisation
    rows = np.repeat(np.arange(len(counts)), counts)
    offsets = row_offsets(how, np.bincount(rows, data, len(counts)), counts)
    if how == "center":
        data = data - offsets[rows]
    if how in ("center", "l2"):
        norms = np.sqrt(np.bincount(rows, np.square(data, dtype=np.float64), len(counts)))
        # as keras.layers.UnitNormalization: the square of the length is at least 1e-12
        data = data / np.maximum(norms, 1e-6)[rows]
    if model.input_scale != 1:
        data = data * model.input_scale
    return offsets, data
