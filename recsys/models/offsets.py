"""What a model adds to all outputs of a rating array, by `model.input_normalisation`, with NumPy.

The same numbers as in the Keras model's graph (recsys.models.autoencoder), for code that works on sparse arrays.
"""

from __future__ import annotations

import numpy as np

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
