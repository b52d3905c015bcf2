"""Batches of sparse rating arrays: what one step of training sees, made with NumPy from a worker's blocks.

Nothing is dense here, and input and target share their arrays where nothing was dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from recsys.models.autoencoder.config import AutoencoderConfig
from recsys.models.autoencoder.kernels.normalisation import normalise

if TYPE_CHECKING:
    from recsys.data.arrays import Arrays


@dataclass(frozen=True)
class Entries:
    """Stored entries of some rows: `columns` lists the columns that occur, ascending, `slots` points into it."""

    rows: np.ndarray  # int32 (entries), ascending, from 0
    starts: np.ndarray  # int32 (rows + 1): where the entries of each row begin
    slots: np.ndarray  # int32 (entries): column = columns[slot]
    values: np.ndarray  # float32 (entries)
    columns: np.ndarray  # int32 (distinct columns)


@dataclass(frozen=True)
class Batch:
    """Some rating arrays as input and target; `offsets` are added to each row's outputs."""

    size: int
    inputs: Entries
    targets: Entries
    offsets: np.ndarray  # float32 (rows)
    whole: Entries  # the inputs before dropout


def training_batches(
    arrays: Arrays, order: np.ndarray, size: int, model: AutoencoderConfig, generator: np.random.Generator
) -> Iterator[Batch]:
    """The rows in that order, `size` at a time, with input dropout drawn from the generator."""
    columns = Columns(arrays.inputs.shape[1])
    normalised, offsets = normalise(arrays.inputs, model)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        target = entries_of(arrays.targets, rows, columns)
        if normalised is arrays.targets:
            shown = target
        elif arrays.inputs is arrays.targets:
            values = normalised.data[positions(normalised, rows)]
            shown = Entries(target.rows, target.starts, target.slots, values, target.columns)
        else:
            shown = entries_of(normalised, rows, columns)
        dropped = drop(shown, model.input_dropout, generator) if model.input_dropout else shown
        yield Batch(len(rows), dropped, target, offsets[rows], shown)


def consecutive_batches(arrays: Arrays, size: int, model: AutoencoderConfig, rows: int = 0) -> Iterator[Batch]:
    """All rows in their order, or so many evenly taken, nothing dropped: what losses are measured on."""
    undropped = model.model_copy(update={"input_dropout": 0.0})
    count = min(rows or arrays.rows, arrays.rows)
    order = np.arange(count) * arrays.rows // max(count, 1)
    yield from training_batches(arrays, order, size, undropped, np.random.default_rng(0))


class Columns:
    """Finds the distinct columns of entries in time proportional to entries and columns, without sorting."""

    def __init__(self, columns: int) -> None:
        self._seen = np.zeros(columns, bool)
        self._slot = np.zeros(columns, np.int32)

    def distinct(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(distinct columns ascending, the place of each entry's column among them), int32 both."""
        self._seen[indices] = True
        columns = np.flatnonzero(self._seen).astype(np.int32)
        self._seen[columns] = False
        self._slot[columns] = np.arange(len(columns), dtype=np.int32)
        return columns, self._slot[indices]


def positions(matrix: csr_matrix, rows: np.ndarray) -> np.ndarray:
    """Where the entries of those rows lie in the matrix' data, row after row."""
    starts, lengths = matrix.indptr[rows], matrix.indptr[rows + 1] - matrix.indptr[rows]
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def entries_of(matrix: csr_matrix, rows: np.ndarray, columns: Columns) -> Entries:
    """The entries of those rows, numbered from 0 in the order given."""
    places = positions(matrix, rows)
    lengths = matrix.indptr[rows + 1] - matrix.indptr[rows]
    distinct, slots = columns.distinct(matrix.indices[places])
    numbers = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
    return Entries(numbers, _starts(lengths), slots, matrix.data[places], distinct)


def drop(entries: Entries, rate: float, generator: np.random.Generator) -> Entries:
    """Each entry dropped with that probability, the others scaled up to keep the expected sum (Srivastava 2014)."""
    kept = generator.random(len(entries.values), np.float32) >= rate
    values = entries.values[kept] * np.float32(1 / (1 - rate))
    rows = entries.rows[kept]
    starts = _starts(np.bincount(rows, minlength=len(entries.starts) - 1))
    return Entries(rows, starts, entries.slots[kept], values, entries.columns)


def _starts(lengths: np.ndarray) -> np.ndarray:
    starts = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=starts[1:])
    return starts
