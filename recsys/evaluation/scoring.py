"""A scorer at work where blocks of users are: batch by batch, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pyspark import Broadcast
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block
from recsys.evaluation.batching import MOVIES_A_BLOCK, USERS_A_BATCH, batch_rows
from recsys.models.base import ScoreBlock, Scorer

# from a block of users and the raw ratings that go in: batches of (rows, their scores in blocks of movies)
UserScores = Callable[[Block, csr_matrix], Iterator[tuple[slice, Iterable[ScoreBlock]]]]


def in_batches(score: Callable[[csr_matrix], np.ndarray], ratings: csr_matrix) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows, dense values of those rows) of `score`, batch by batch."""
    size = batch_rows(ratings.shape[1])
    for start in range(0, ratings.shape[0], size):
        batch = ratings[start : start + size]
        yield slice(start, start + batch.shape[0]), score(batch)


@dataclass(frozen=True)
class ModelScores:
    """Scores of users by a model of users' rating arrays."""

    shared: Broadcast[Scorer]

    def __call__(self, block: Block, shown: csr_matrix) -> Iterator[tuple[slice, Iterable[ScoreBlock]]]:
        """(rows, scores of those rows), batch by batch; `shown` are the raw ratings that go in."""
        scorer = self.shared.value
        if not scorer.in_blocks:
            for rows, scores in in_batches(scorer.score, shown):
                yield rows, [(0, scores)]
            return
        for start in range(0, block.rows, USERS_A_BATCH):
            rows = slice(start, min(start + USERS_A_BATCH, block.rows))
            yield rows, scorer.score_blocks(shown[rows], MOVIES_A_BLOCK)
