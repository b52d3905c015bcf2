"""A model of movies' rating arrays as factors, from which users are scored: its outputs, turned round.

Of a movie's array r the model gives, for each user u, W_u . h(r) + b_u + offset (Sedhain et al. 2015, eq. 1, with a
linear output): h is what its last hidden layer gives, W (k x users) and b are its output layer's, and the offset is
what input_normalisation adds to the output. So a user's scores of all movies are one row of W^T H^T + b + o.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TEST
from recsys.evaluation.scoring import SharedModel, batch_rows, outputs
from recsys.models.autoencoder.kernels.normalisation import row_offsets

OUTPUT = "output"  # the name of the last layer of every model


@dataclass(frozen=True)
class Factors:
    """What scores movies for users: all float32, on the scale of rating arrays; `noise` is for users not among them."""

    codes: np.ndarray  # H (movies, k)
    offsets: np.ndarray  # o (movies)
    kernel: np.ndarray  # W^T (users, k)
    bias: np.ndarray  # b (users)
    noise: float = 0.02  # variance of ratings about the scores, for recsys.evaluation.fold_in

    def scores(self, columns: np.ndarray) -> np.ndarray:
        """The scores (users, movies) of the users of those columns."""
        return self.kernel[columns] @ self.codes.T + self.bias[columns, None] + self.offsets


@dataclass(frozen=True)
class UserScores:
    """Scores of users by factors, where blocks of users are; `shared` is a broadcast of (Factors, users ascending)."""

    shared: Any

    def __call__(self, block: Block, shown: csr_matrix) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, scores of those rows), batch by batch."""
        factors, users = self.shared.value
        columns, size = np.searchsorted(users, block.users), batch_rows(shown.shape[1])
        for start in range(0, block.rows, size):
            rows = slice(start, min(start + size, block.rows))
            yield rows, factors.scores(columns[rows])


def find_factors(
    model: Any, shared: SharedModel, part: Part, examples: Examples, movies: int, normalisation: str, role: int = TEST
) -> Factors:
    """The factors of a trained model. `part` are the movies' arrays, of which is known what `role` may know.

    `normalisation` is `model.input_normalisation`. With "center" a movie of whose ratings none is known has the mean of
    all known ratings for its offset, where the model would have 0.
    """

    def run(blocks: Iterator[Block]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        for block in blocks:
            known, _ = examples.arrays(block, role)
            scaled = examples.preprocessing.scale(known)
            codes = np.concatenate([batch for _, batch in outputs(shared, scaled, hidden=True)])
            yield block.users, codes, np.asarray(scaled.sum(axis=1)).ravel(), np.diff(scaled.indptr)

    kernel, bias = model.get_layer(OUTPUT).get_weights()
    codes = np.zeros((movies, len(kernel)), np.float32)
    sums, counts = np.zeros(movies), np.zeros(movies)
    for rows, found, totals, numbers in part.blocks.mapPartitions(run).collect():
        codes[rows], sums[rows], counts[rows] = found, totals, numbers
    offsets = row_offsets(normalisation, sums, counts)
    if normalisation == "center":
        offsets[counts == 0] = sums.sum() / max(counts.sum(), 1)
    return Factors(codes, offsets, np.ascontiguousarray(kernel.T), bias)
