"""How rating arrays enter a model, and what it adds to all outputs of one, by `model.input_normalisation`."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.models.autoencoder.config import AutoencoderConfig

# "offset": what the mean of an array is drawn towards, and by how many ratings. MovieLens' mean is 0.70 to 0.72 of the
# highest rating in every release.
PRIOR_MEAN = 0.7
PRIOR_RATINGS = 5.0


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
    how = model.input_normalisation
    rows = np.repeat(np.arange(inputs.shape[0]), np.diff(inputs.indptr))
    sums = np.bincount(rows, inputs.data, inputs.shape[0])
    offsets = row_offsets(how, sums, np.diff(inputs.indptr))
    data = inputs.data
    if how == "center":
        data = data - offsets[rows]
    if how in ("center", "l2"):
        norms = np.sqrt(np.bincount(rows, np.square(data, dtype=np.float64), inputs.shape[0]))
        # as keras.layers.UnitNormalization: the square of the length is at least 1e-12
        data = data / np.maximum(norms, 1e-6)[rows]
    if model.input_scale != 1:
        data = data * model.input_scale
    if data is inputs.data:
        return inputs, offsets
    data = data.astype(np.float32, copy=False)
    return csr_matrix((data, inputs.indices, inputs.indptr), shape=inputs.shape), offsets
