"""What a model of movies' rating arrays knows of movies and users, as factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Factors:
    """What scores movies for users: all float32, on the scale of rating arrays; `noise` is for users not among them."""

    codes: np.ndarray  # H (movies, k)
    offsets: np.ndarray  # o (movies)
    kernel: np.ndarray  # W^T (users, k)
    bias: np.ndarray  # b (users)
    noise: float = 0.02  # variance of ratings about the scores, for recsys.evaluation.fold_in

    def scores(self, columns: np.ndarray) -> np.ndarray:
        """The scores (users, movies) of the users of those columns."""
        return self.kernel[columns] @ self.codes.T + self.bias[columns, None] + self.offsets
