"""The Gramian of the training users' rating arrays: the sums that closed-form linear models are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_matrix, diags

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TRAIN


def gramian_of_rows(matrix: csr_matrix, user_power: float) -> np.ndarray:
    """X^T D X (movies, movies), float64, of users x movies X, where D_uu = n_u^(-2 user_power) and n_u is the number of
    the user's ratings: with 0 every rating counts alike, with 0.5 every user."""
    lengths = np.maximum(np.diff(matrix.indptr), 1).astype(np.float64)
    weighted = diags(lengths**-user_power) @ matrix.astype(np.float64)
    result: np.ndarray = (weighted.T @ weighted).toarray()
    return result


def gramian(part: Part, examples: Examples, user_power: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(G, counts) of the training rating arrays: G float64 (movies, movies) as `gramian_of_rows`, scaled to the trace
    that it has with `user_power` 0, and how often each movie was rated, float64 (movies).

    Every partition holds one dense matrix of movies x movies values, and so does the driver.
    """

    def run(blocks: Iterable[Block]) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        total, counts, squares = np.zeros((examples.width, examples.width)), np.zeros(examples.width), 0.0
        for block in blocks:
            arrays = examples.preprocessing.scale(examples.arrays(block, TRAIN)[0])
            total += gramian_of_rows(arrays, user_power)
            counts += np.bincount(arrays.indices, minlength=examples.width)
            squares += float(np.square(arrays.data, dtype=np.float64).sum())
        yield total, counts, squares

    def add(
        one: tuple[np.ndarray, np.ndarray, float], other: tuple[np.ndarray, np.ndarray, float]
    ) -> tuple[np.ndarray, np.ndarray, float]:
        return one[0] + other[0], one[1] + other[1], one[2] + other[2]

    total, counts, squares = part.blocks.mapPartitions(run).treeReduce(add)
    trace = float(np.trace(total))
    return (total * (squares / trace) if trace else total), counts
