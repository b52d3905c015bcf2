"""ALS written out on dense arrays, in float64: what the kernels and the trainer are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dense:
    """targets, known (bool) and weights (of known entries), users x movies; l2, power, w0; whether there are biases."""

    targets: np.ndarray
    known: np.ndarray
    weights: np.ndarray
    l2: float
    power: float = 0.0
    unobserved: float = 0.0
    biases: bool = False
    mean: float = 0.0

    @property
    def transposed(self) -> Dense:
        """Movies x users."""
        arrays = self.targets.T, self.known.T, self.weights.T
        return Dense(*arrays, self.l2, self.power, self.unobserved, self.biases, self.mean)

    def penalties(self) -> np.ndarray:
        """What each row's squared numbers are multiplied by."""
        return self.l2 * (self.known.sum(axis=1) + self.unobserved * self.known.shape[1]) ** self.power

    def rows_given(self, columns: np.ndarray) -> np.ndarray:
        """The rows that minimise the objective given the columns: normal equations of each row, over all columns."""
        features, offsets = columns.astype(np.float64).copy(), np.zeros(len(columns))
        if self.biases:
            offsets = features[:, -1] + self.mean
            features[:, -1] = 1.0
        solved = np.zeros((len(self.known), features.shape[1]))
        for row, known in enumerate(self.known):
            if known.any():
                weights = np.where(known, self.weights[row], self.unobserved)
                right = np.where(known, self.targets[row] - offsets, 0.0) * weights
                system = features.T @ (features * weights[:, None])
                system += self.penalties()[row] * np.eye(features.shape[1])
                solved[row] = np.linalg.solve(system, features.T @ right)
        return solved

    def predictions(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """rows x columns."""
        if not self.biases:
            return np.asarray(rows @ columns.T)
        products = rows[:, :-1] @ columns[:, :-1].T
        return np.asarray(products + rows[:, -1:] + columns[:, -1] + self.mean)

    def objective(self, rows: np.ndarray, columns: np.ndarray) -> float:
        """The sum of weighted squared errors over all entries, and both sides' penalties."""
        weights = np.where(self.known, self.weights, self.unobserved)
        errors = weights * (np.where(self.known, self.targets, 0.0) - self.predictions(rows, columns)) ** 2
        of_rows = (self.penalties() * (rows**2).sum(axis=1)).sum()
        return float(errors.sum() + of_rows + (self.transposed.penalties() * (columns**2).sum(axis=1)).sum())

    def sweeps(self, columns: np.ndarray, epochs: int) -> tuple[np.ndarray, np.ndarray]:
        """(rows, columns) after so many epochs."""
        rows = self.rows_given(columns)
        for _ in range(epochs):
            columns = self.transposed.rows_given(rows)
            rows = self.rows_given(columns)
        return rows, columns
