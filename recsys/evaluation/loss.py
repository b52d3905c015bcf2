"""The loss of the master model over all rows of a part, computed where the blocks are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recsys.evaluation.scoring import SharedModel, outputs
from recsys.networks.losses import loss_sums as sums
from recsys.ratings.blocks import Block
from recsys.ratings.examples import Examples
from recsys.ratings.parts import Part


def mean_losses(parts: dict[int, Part], shared: SharedModel, examples: Examples, loss: str) -> dict[int, float]:
    """The mean loss of each role's part in one Spark job, every row counted once whatever its partition."""
    jobs = [part.blocks.mapPartitions(_partition_sums(shared, examples, loss, role)) for role, part in parts.items()]
    context = jobs[0].context
    totals: dict[int, list[float]] = {role: [0.0, 0.0] for role in parts}
    for role, total, weight in context.union(jobs).collect():
        totals[role][0] += total
        totals[role][1] += weight
    return {role: total / weight if weight else float("nan") for role, (total, weight) in totals.items()}


def _partition_sums(shared: SharedModel, examples: Examples, loss: str, role: int) -> Any:
    def run(blocks: Iterator[Block]) -> Iterator[tuple[int, float, float]]:
        yield (role, *loss_sums(blocks, shared, examples, loss, role))

    return run


def loss_sums(
    blocks: Iterator[Block], shared: SharedModel, examples: Examples, loss: str, role: int
) -> tuple[float, float]:
    """(sum, weight) of the loss over blocks, in double precision between batches."""
    total = weight = 0.0
    for block in blocks:
        shown, target = examples.arrays(block, role)
        truth = examples.preprocessing.scale(target)
        for rows, output in outputs(shared, examples.preprocessing.scale(shown)):
            part, part_weight = sums(loss, truth[rows], output)
            total += part
            weight += part_weight
    return total, weight
