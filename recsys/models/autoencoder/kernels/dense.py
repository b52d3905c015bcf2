"""What dense layers share on their way back."""

from __future__ import annotations

import numpy as np


def write_gradients(into: list[np.ndarray], entered: np.ndarray, gradient: np.ndarray) -> None:
    """Writes the gradients of a dense layer's kernel and bias, from what entered it and the gradient of its sums."""
    np.matmul(entered.T, gradient, out=into[0])
    np.sum(gradient, axis=0, out=into[1])
