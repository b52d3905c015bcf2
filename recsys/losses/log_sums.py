"""The logarithm of a sum of exponentials, of logits that come some columns at a time, so that memory is bounded."""

from __future__ import annotations

import numpy as np


class LogSums:
    """log sum exp(logit) of each row.

    Attributes:
        highest: float32 (rows): the greatest logit so far.
        totals: float64 (rows): the sum of exp(logit - highest) so far.
    """

    def __init__(self, rows: int) -> None:
        self.highest = np.full(rows, -np.inf, np.float32)
        self.totals = np.zeros(rows)

    def add(self, logits: np.ndarray) -> None:
        """Takes in some more columns: float32 (rows, columns), C-contiguous; written over.

        A row with a logit that is not finite becomes NaN.
        """
        higher = np.maximum(self.highest, logits.max(axis=1))
        logits -= higher[:, None]
        self.totals *= np.exp(self.highest.astype(np.float64) - higher)
        self.totals += np.exp(logits, out=logits).sum(axis=1)
        self.highest = higher

    def result(self) -> np.ndarray:
        """float64 (rows)."""
        result: np.ndarray = np.log(self.totals) + self.highest
        return result


def log_sums(rows: int, compiled: bool) -> LogSums:
    """By a kernel if it is asked for and there can be one, else by NumPy, which gives the same to rounding."""
    if not compiled:
        return LogSums(rows)
    try:
        from recsys.losses import compiled as by_kernels  # late: it imports numba
    except ImportError:
        return LogSums(rows)
    return by_kernels.LogSums(rows)
