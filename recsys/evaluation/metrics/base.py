"""What a metric of ranked lists is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np


class Metric(ABC):
    """One figure of a list of k movies: a value for each user, reported as mean, standard error and count.

    A metric is registered by name in recsys.registries, or by an entry point of the group `howdah.metrics`; the setting
    `evaluation.metrics = ["mrr@10"]` asks for it. A metric has no state beside k.

    Attributes:
        name: as the settings and metrics.json have it.
        k: the length of the list.
    """

    name: ClassVar[str]

    def __init__(self, k: int) -> None:
        self.k = k

    @property
    def label(self) -> str:
        """The figure's name, such as ndcg@100."""
        return f"{self.name}@{self.k}"

    @abstractmethod
    def per_user(self, hit: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """The figure of each user.

        Args:
            hit: bool (users, n), n at least k where there are so many movies: which of the movies recommended, best
                first, are relevant.
            relevant: int (users): how many relevant movies each user has.

        Returns:
            float64 (users); NaN for a user that has no relevant movie, who counts for nothing.
        """
