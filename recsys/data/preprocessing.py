"""How raw ratings become rating arrays, and outputs ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Preprocessing:
    """How raw ratings become a rating array, and a model's output a rating."""

    rating_min: float
    rating_max: float
    positive_from: float | None = None

    def scale(self, ratings: csr_matrix) -> csr_matrix:
        """Raw ratings to rating arrays in (0, 1]; with `positive_from` likes are 1 and everything else is gone."""
        if self.positive_from is None:
            data = (ratings.data / np.float32(self.rating_max)).astype(np.float32)
            return csr_matrix((data, ratings.indices, ratings.indptr), shape=ratings.shape)
        liked = keep_entries(ratings, ratings.data >= self.positive_from)
        return csr_matrix((np.ones_like(liked.data, np.float32), liked.indices, liked.indptr), shape=liked.shape)

    def to_ratings(self, output: np.ndarray) -> np.ndarray:
        """Outputs on the scale of rating arrays to ratings, clipped to the scale."""
        return np.clip(output * self.rating_max, self.rating_min, self.rating_max)


def keep_entries(matrix: csr_matrix, mask: np.ndarray) -> csr_matrix:
    """The matrix with only the entries of the mask (one a stored entry)."""
    counts = np.concatenate(([0], np.cumsum(mask)))
    indptr = counts[matrix.indptr].astype(matrix.indptr.dtype)
    return csr_matrix((matrix.data[mask], matrix.indices[mask], indptr), shape=matrix.shape)
