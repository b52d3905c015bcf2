"""Mean reciprocal rank."""

from __future__ import annotations

import numpy as np

from recsys.evaluation.metrics.base import Metric


class Mrr(Metric):
    """MRR@k = 1 / rank of the first relevant movie among the first k, 0 where there is none (Voorhees 1999)."""

    name = "mrr"

    def per_user(self, hit: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        first = hit[:, : self.k]
        reciprocal = np.where(first.any(axis=1), 1.0 / (first.argmax(axis=1) + 1), 0.0)
        return np.where(relevant > 0, reciprocal, np.nan)
