"""A model of movies' rating arrays as factors, from which users are scored: its outputs, turned round.

Of a movie's array r the model gives, for each user u, W_u . h(r) + b_u + offset (Sedhain et al. 2015, eq. 1, with a
linear output): h is what its last hidden layer gives, W (k x users) and b are its output layer's, and the offset is
what input_normalisation adds to the output. So a user's scores of all movies are one row of W^T H^T + b + o.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import Broadcast
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TEST
from recsys.evaluation.batching import batch_rows
from recsys.evaluation.scoring import in_batches
from recsys.models.base import ScoreBlock, Scorer
from recsys.models.factors import Factors


@dataclass(frozen=True)
class FactorScores:
    """Scores of users by factors, where blocks of users are; `shared` is a broadcast of (Factors, users ascending)."""

    shared: Any

    def __call__(self, block: Block, shown: csr_matrix) -> Iterator[tuple[slice, Iterable[ScoreBlock]]]:
        """(rows, scores of those rows), batch by batch."""
        factors, users = self.shared.value
        columns, size = np.searchsorted(users, block.users), batch_rows(shown.shape[1])
        for start in range(0, block.rows, size):
            rows = slice(start, min(start + size, block.rows))
            yield rows, [(0, factors.scores(columns[rows]))]


def find_factors(shared: Broadcast[Scorer], part: Part, examples: Examples, movies: int, role: int = TEST) -> Factors:
    """The factors of a trained model. `part` are the movies' arrays, of which is known what `role` may know."""

    def run(blocks: Iterable[Block]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        for block in blocks:
            known, _ = examples.arrays(block, role)
            scaled = examples.preprocessing.scale(known)
            codes = np.concatenate([batch for _, batch in in_batches(shared.value.codes, known)])
            yield block.users, codes, np.asarray(scaled.sum(axis=1)).ravel(), np.diff(scaled.indptr)

    kernel, bias = shared.value.output_layer()
    codes = np.zeros((movies, len(kernel)), np.float32)
    sums, counts = np.zeros(movies), np.zeros(movies)
    for rows, some, totals, numbers in part.blocks.mapPartitions(run).collect():
        codes[rows], sums[rows], counts[rows] = some, totals, numbers
    offsets = shared.value.offsets(sums, counts)
    return Factors(codes, offsets, np.ascontiguousarray(kernel.T), np.asarray(bias))
