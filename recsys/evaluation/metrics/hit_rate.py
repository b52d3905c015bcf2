"""Hit rate."""

from __future__ import annotations

import numpy as np

from recsys.evaluation.metrics.base import Metric


class HitRate(Metric):
    """HitRate@k = 1 where one of the first k is relevant, else 0."""

    name = "hit_rate"

    def per_user(self, hit: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        return np.where(relevant > 0, hit[:, : self.k].any(axis=1), np.nan).astype(np.float64)
