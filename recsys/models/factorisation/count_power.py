"""What implicit sums are divided by, as settings, training and scoring have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CountPower:
    """(n + shrinkage)^power of counts n.

    With the power of 1 and no shrinkage sums become means. Shrinkage draws the means of few to 0.
    """

    power: float = 0.5
    shrinkage: float = 0.0

    def of(self, counts: np.ndarray) -> np.ndarray:
        """float64, of each count; 1 where a count is 0."""
        return np.where(counts > 0, np.maximum(counts + self.shrinkage, 1.0) ** self.power, 1.0)
