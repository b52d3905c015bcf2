"""A worker's rating arrays of one role, scaled, as two sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block
from recsys.data.examples import Examples


@dataclass(frozen=True)
class Arrays:
    """A worker's scaled rating arrays (rows x columns), input and target; the same object where they are the same."""

    inputs: csr_matrix
    targets: csr_matrix

    @property
    def rows(self) -> int:
        """How many rating arrays."""
        return self.inputs.shape[0]


def arrays_of(blocks: Iterable[Block], examples: Examples, role: int) -> Arrays:
    """The rating arrays of that role in all blocks, scaled to (0, 1]."""
    inputs: list[csr_matrix] = []
    targets: list[csr_matrix] = []
    for block in blocks:
        shown, target = examples.arrays(block, role)
        inputs.append(examples.preprocessing.scale(shown))
        targets.append(inputs[-1] if target is shown else examples.preprocessing.scale(target))
    known = stack(inputs, examples.width)
    same = all(one is other for one, other in zip(inputs, targets, strict=True))
    return Arrays(known, known if same else stack(targets, examples.width))


def stack(matrices: list[csr_matrix], columns: int) -> csr_matrix:
    """The rows of all in one matrix, float32."""
    if not matrices:
        return csr_matrix((0, columns), dtype=np.float32)
    ends = np.cumsum([0] + [matrix.nnz for matrix in matrices])
    indptr = np.concatenate(
        [[0], *(one.indptr[1:].astype(np.int64) + end for one, end in zip(matrices, ends[:-1], strict=True))]
    )
    data = np.concatenate([one.data for one in matrices]).astype(np.float32, copy=False)
    indices = np.concatenate([one.indices for one in matrices])
    rows = sum(one.shape[0] for one in matrices)
    return csr_matrix((data, indices, indptr), shape=(rows, columns))
