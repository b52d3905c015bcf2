"""A new loss in one file outside of howdah: squared error over all entries, in which rated ones weigh more.

    ./spark-submit.sh train --set model.loss=examples/add_a_loss.py:WeightedMse --set model.output_activation=linear

Two methods, the definition and its gradient, are enough for training.strategy = "local_sgd". In a package of your own,
an entry point gives it a name: `[project.entry-points."howdah.losses"]`, `weighted = "my_package.losses:WeightedMse"`.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.losses.base import Loss, Sums, flat_positions

WEIGHT = np.float32(10.0)  # of a rated entry; all others weigh 1


class WeightedMse(Loss):
    """Sum over all entries of c (target - output)^2, c = 10 where rated and 1 elsewhere (Hu et al. 2008, eq. 3).

    The weight is the number of entries.
    """

    name = "weighted_mse"
    predicts_ratings = False

    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        error, weights = self._errors(target, output)
        return float((weights * np.square(error)).sum(dtype=np.float64)), output.size

    def gradient(self, target: csr_matrix, output: np.ndarray) -> np.ndarray:
        error, weights = self._errors(target, output)
        return error * weights * np.float32(2.0 / output.size)

    def _errors(self, target: csr_matrix, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error, weights = output.copy(), np.ones(output.shape, np.float32)
        rated = flat_positions(target)
        error.ravel()[rated] -= target.data
        weights.ravel()[rated] = WEIGHT
        return error, weights
