"""How close the ratings of a user who was not trained are taken to lie to the scores: chosen on validation ratings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from pyspark import Broadcast
from pyspark.sql import DataFrame

from recsys.data.blocks import Block, block_from_row, mix
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TEST, VALIDATION
from recsys.evaluation.factors import find_factors
from recsys.models.base import Scorer
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn

NOISES = (0.0005, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08)  # tried; on ml-1m 0.01 to 0.02 is best, less after few epochs
_TRIED_ON = 1000  # users, about


def fit_factors(
    shared: Broadcast[Scorer],
    parts: dict[int, Part],
    examples: Examples,
    blocks: DataFrame,
    by_user: Examples,
) -> Factors:
    """The factors of a trained model of movies' arrays (`parts`, `examples`), with the noise that fits its users best.

    `blocks` and `by_user` are the users' arrays.
    """
    find = partial(find_factors, shared, movies=by_user.width)
    # which noise is best is asked of codes that do not know the validation ratings
    noise = find_noise(find(part=parts[VALIDATION], examples=examples, role=VALIDATION), blocks, by_user)
    return replace(find(part=parts[TEST], examples=examples, role=TEST), noise=noise)


def find_noise(factors: Factors, blocks: DataFrame, examples: Examples) -> float:
    """The noise with the least squared error on validation ratings, of some users fitted to their training ratings.

    `factors` must know the training ratings alone; `blocks` and `examples` are the users' arrays.
    """
    fold_in = blocks.sparkSession.sparkContext.broadcast(FoldIn.of(factors, examples.preprocessing))
    fraction = min(1.0, _TRIED_ON / len(factors.kernel))

    def run(rows: Iterable[Any]) -> Iterator[np.ndarray]:
        errors = np.zeros(len(NOISES))
        for row in rows:
            block = block_from_row(row)
            errors += squared_errors(fold_in.value, block.take(mix(block.hashes) * 2.0**-64 <= fraction), examples)
        yield errors

    errors = blocks.rdd.mapPartitions(run).treeReduce(np.add)
    fold_in.destroy()
    return NOISES[int(np.argmin(errors))]


def squared_errors(fold_in: FoldIn, block: Block, examples: Examples) -> np.ndarray:
    """The sum of squared errors on the validation ratings of a block of users by each of NOISES."""
    errors = np.zeros(len(NOISES))
    shown, held = (examples.preprocessing.scale(part) for part in examples.arrays(block, VALIDATION))
    for row in range(block.rows):
        movies, truth = held[row].indices, held[row].data
        known = shown[row]
        guesses = fold_in.weights(known.indices, known.data, NOISES) @ fold_in.traits[movies].T + fold_in.mean[movies]
        errors += np.square(guesses - truth).sum(axis=1)
    return errors
