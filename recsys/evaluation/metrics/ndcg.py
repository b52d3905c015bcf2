"""Normalised discounted cumulative gain."""

from __future__ import annotations

import numpy as np

from recsys.evaluation.metrics.base import Metric


class Ndcg(Metric):
    """NDCG@k with gains of 1: sum over hits of 1 / log2(rank + 1), over that of a perfect list.

    Jarvelin and Kekalainen 2002.
    """

    name = "ndcg"

    def per_user(self, hit: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        discounts = 1 / np.log2(np.arange(2, self.k + 2))
        dcg = (hit[:, : self.k] * discounts[: hit.shape[1]]).sum(axis=1)
        ideal = np.concatenate(([0.0], np.cumsum(discounts)))[np.minimum(relevant, self.k)]
        with np.errstate(invalid="ignore", divide="ignore"):
            result: np.ndarray = dcg / ideal
        return result
