"""The loss of the master model over all rows of a part, computed where the blocks are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from pyspark import Broadcast
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.evaluation.batching import MOVIES_A_BLOCK, USERS_A_BATCH
from recsys.evaluation.row_sampling import choose, fraction_of
from recsys.evaluation.scoring import in_batches
from recsys.evaluation.topk import worth_compiling
from recsys.losses.base import Loss, Sums
from recsys.models.base import Scorer


class Measured(NamedTuple):
    """A mean loss, and the rows that it is of."""

    loss: float
    rows: int


def mean_losses(
    parts: Mapping[int, Part],
    shared: Broadcast[Scorer],
    examples: Examples,
    loss: Loss,
    about: Mapping[int, int] | None = None,
) -> dict[int, Measured]:
    """The mean loss of each role's part in one Spark job, every row counted once whatever its partition.

    `about` has for a role how many rows are enough (0: all are measured); `choose` says which.
    """
    jobs = []
    for role, part in parts.items():
        fraction = fraction_of(part.rows, (about or {}).get(role, 0))
        compiled = worth_compiling(int(part.rows * fraction) * examples.width // part.workers)
        jobs.append(part.blocks.mapPartitions(_partition_sums(shared, examples, loss, role, fraction, compiled)))
    totals = {role: np.zeros(3) for role in parts}
    for role, *sums in jobs[0].context.union(jobs).collect():
        totals[role] += sums
    return {
        role: Measured(total / weight if weight else float("nan"), int(rows))
        for role, (total, weight, rows) in totals.items()
    }


def _partition_sums(
    shared: Broadcast[Scorer], examples: Examples, loss: Loss, role: int, fraction: float, compiled: bool
) -> Any:
    def run(blocks: Iterator[Block]) -> Iterator[tuple[int, float, float, int]]:
        rows = 0

        def chosen() -> Iterator[Block]:
            nonlocal rows
            for block in blocks:
                if (some := choose(block, fraction)).rows:
                    rows += some.rows
                    yield some

        total, weight = loss_sums(chosen(), shared, examples, loss, role, compiled)
        yield role, total, weight, rows

    return run


def loss_sums(
    blocks: Iterator[Block],
    shared: Broadcast[Scorer],
    examples: Examples,
    loss: Loss,
    role: int,
    compiled: bool = False,
) -> tuple[float, float]:
    """(sum, weight) of the loss over blocks, in double precision between batches. `compiled` asks for kernels."""
    total = weight = 0.0
    for block in blocks:
        shown, target = examples.arrays(block, role)
        truth = examples.preprocessing.scale(target)
        for part, part_weight in _batch_sums(shared.value, shown, truth, loss, compiled):
            total += part
            weight += part_weight
    return total, weight


def _batch_sums(scorer: Scorer, shown: csr_matrix, truth: csr_matrix, loss: Loss, compiled: bool) -> Iterator[Sums]:
    """(sum, weight) of the loss, batch by batch."""
    if not (scorer.in_blocks and loss.in_blocks):
        for rows, output in in_batches(scorer.score, shown):
            yield loss.sums(truth[rows], output)
        return
    for start in range(0, shown.shape[0], USERS_A_BATCH):
        rows = slice(start, start + USERS_A_BATCH)
        yield loss.sums_in_blocks(truth[rows], scorer.score_blocks(shown[rows], MOVIES_A_BLOCK), compiled)
