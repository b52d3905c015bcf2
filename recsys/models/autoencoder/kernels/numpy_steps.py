"""Adam and the input layer in NumPy: the reference of `compiled_steps`, and what works everywhere."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.models.autoencoder.kernels.adam import RowAdam, adam
from recsys.models.autoencoder.kernels.batches import Entries

__all__ = ["RowAdam", "adam", "encode", "encode_by_all", "encoder_gradient", "write_encoder_gradient"]


def encode(entries: Entries, size: int, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """float32 (rows, width): each row's entries times their rows of the kernel, summed, and the bias."""
    sums: np.ndarray = _sparse(entries, size) @ kernel + bias
    return sums


def encode_by_all(entries: Entries, size: int, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The same by the kernel of all columns."""
    return encode(entries, size, kernel[entries.columns], bias)


def encoder_gradient(entries: Entries, size: int, gradient: np.ndarray) -> np.ndarray:
    """float32 (distinct columns, width): the gradient of the kernel's rows, from that of the sums."""
    return np.asarray(_sparse(entries, size).T @ gradient)


def write_encoder_gradient(entries: Entries, size: int, gradient: np.ndarray, into: np.ndarray) -> None:
    """Writes the gradient of the kernel of all columns (columns, width)."""
    into[...] = 0.0
    into[entries.columns] = encoder_gradient(entries, size, gradient)


def _sparse(entries: Entries, size: int) -> csr_matrix:
    """The entries as (rows x distinct columns)."""
    return csr_matrix((entries.values, entries.slots, entries.starts), shape=(size, len(entries.columns)))
