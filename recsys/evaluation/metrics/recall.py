"""Recall."""

from __future__ import annotations

import numpy as np

from recsys.evaluation.metrics.base import Metric


class Recall(Metric):
    """Recall@k = hits among the first k / min(k, relevant movies) (Liang et al. 2018, section 4.2)."""

    name = "recall"

    def per_user(self, hit: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            result: np.ndarray = hit[:, : self.k].sum(axis=1) / np.minimum(self.k, relevant)
        return result
