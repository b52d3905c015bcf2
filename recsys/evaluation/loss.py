"""The loss of the master model over all rows of a part, computed where the blocks are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from pyspark import Broadcast

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.evaluation.row_sampling import choose, fraction_of
from recsys.evaluation.scoring import in_batches
from recsys.losses.base import Loss
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
        jobs.append(part.blocks.mapPartitions(_partition_sums(shared, examples, loss, role, fraction)))
    totals = {role: np.zeros(3) for role in parts}
    for role, *sums in jobs[0].context.union(jobs).collect():
        totals[role] += sums
    return {
        role: Measured(total / weight if weight else float("nan"), int(rows))
        for role, (total, weight, rows) in totals.items()
    }


def _partition_sums(shared: Broadcast[Scorer], examples: Examples, loss: Loss, role: int, fraction: float) -> Any:
    def run(blocks: Iterator[Block]) -> Iterator[tuple[int, float, float, int]]:
        rows = 0

        def chosen() -> Iterator[Block]:
            nonlocal rows
            for block in blocks:
                if (some := choose(block, fraction)).rows:
                    rows += some.rows
                    yield some

        total, weight = loss_sums(chosen(), shared, examples, loss, role)
        yield role, total, weight, rows

    return run


def loss_sums(
    blocks: Iterator[Block], shared: Broadcast[Scorer], examples: Examples, loss: Loss, role: int
) -> tuple[float, float]:
    """(sum, weight) of the loss over blocks, in double precision between batches."""
    total = weight = 0.0
    for block in blocks:
        shown, target = examples.arrays(block, role)
        truth = examples.preprocessing.scale(target)
        for rows, output in in_batches(shared.value.score, shown):
            part, part_weight = loss.sums(truth[rows], output)
            total += part
            weight += part_weight
    return total, weight
