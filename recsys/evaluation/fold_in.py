"""Users whom a model of movies' rating arrays has never seen: fitted to their ratings by ridge regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from recsys.config import Config
from recsys.data.blocks import Block, block_from_row, mix
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TEST, VALIDATION
from recsys.evaluation.factors import Factors, find_factors
from recsys.evaluation.scoring import SharedModel

NOISES = (0.0005, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08)  # tried; on ml-1m 0.01 to 0.02 is best, less after few epochs
_TRIED_ON = 1000  # users, about


class FoldIn:
    """From users' rating arrays to scores, as a Keras model is called: users are new, movies are the model's.

    A user's weights w, the bias among them, are taken as drawn from N(m, C) with the mean and the covariance of the
    weights of the users trained, and ratings as drawn from N(w . h + offset, noise): the most probable w is the ridge
    regression of what the mean user does not explain on the codes, whitened by C (Bishop 2006, eq. 3.53 and 3.54).
    Without ratings a user is the mean one.
    """

    in_blocks = True  # as Network.in_blocks

    def __init__(self, factors: Factors) -> None:
        weights = np.column_stack([factors.kernel, factors.bias]).astype(np.float64)
        codes = np.column_stack([factors.codes, np.ones(len(factors.codes))]).astype(np.float64)
        mean = weights.mean(axis=0)
        covariance = (weights - mean).T @ (weights - mean) / len(weights)
        values, vectors = np.linalg.eigh(covariance)
        kept = values > values[-1] * 1e-10
        self.mean = codes @ mean + factors.offsets  # scores of the mean user (movies)
        self.traits = codes @ (vectors[:, kept] * np.sqrt(values[kept]))  # codes whose weights are N(0, I)
        self.noise = float(factors.noise)

    @cached_property
    def _single(self) -> tuple[np.ndarray, np.ndarray]:
        """Traits and mean in single precision, made where they are used."""
        return self.traits.astype(np.float32), self.mean.astype(np.float32)

    def __call__(self, arrays: np.ndarray, training: bool = False) -> np.ndarray:
        """Scores float32 (users, movies) of rating arrays (users, movies), 0 where not rated."""
        weights = np.zeros((len(arrays), self.traits.shape[1]))
        for row, array in enumerate(arrays):
            weights[row] = self.weights(array, [self.noise])[0]
        return (self.mean + weights @ self.traits.T).astype(np.float32)

    def output_blocks(self, inputs: csr_matrix, columns: int) -> Iterator[tuple[int, np.ndarray]]:
        """Scores of rating arrays (users x movies), of `columns` movies at a time: (first movie, float32 scores)."""
        weights = np.zeros((inputs.shape[0], self.traits.shape[1]), np.float32)
        for row in range(inputs.shape[0]):
            weights[row] = self.weights(inputs[row].toarray()[0], [self.noise])[0]
        for start in range(0, len(self.traits), columns):
            part = slice(start, start + columns)
            yield start, weights @ self._single[0][part].T + self._single[1][part]

    def weights(self, array: np.ndarray, noises: Sequence[float]) -> np.ndarray:
        """The weights (noises, k) of one user by each of the noises."""
        rated = np.flatnonzero(array)
        traits, rest = self.traits[rated], array[rated] - self.mean[rated]
        # (G'G + noise I)^-1 G' = G' (GG' + noise I)^-1: whichever system is smaller
        few = len(rated) < traits.shape[1]
        gram = traits @ traits.T if few else traits.T @ traits
        right = rest if few else traits.T @ rest
        found = [cho_solve(cho_factor(gram + noise * np.eye(len(gram))), right) for noise in noises]
        return np.stack([one @ traits for one in found] if few else found)


def fit_factors(
    model: Any,
    shared: SharedModel,
    parts: dict[int, Part],
    examples: Examples,
    blocks: DataFrame,
    by_user: Examples,
    config: Config,
) -> Factors:
    """The factors of a trained model of movies' arrays (`parts`, `examples`), with the noise that fits its users best.

    `blocks` and `by_user` are the users' arrays.
    """
    normalisation = config.model.input_normalisation
    find = partial(find_factors, model, shared, movies=by_user.width, normalisation=normalisation)
    # which noise is best is asked of codes that do not know the validation ratings
    noise = find_noise(find(part=parts[VALIDATION], examples=examples, role=VALIDATION), blocks, by_user)
    return replace(find(part=parts[TEST], examples=examples, role=TEST), noise=noise)


def find_noise(factors: Factors, blocks: DataFrame, examples: Examples) -> float:
    """The noise with the least squared error on validation ratings, of some users fitted to their training ratings.

    `factors` must know the training ratings alone; `blocks` and `examples` are the users' arrays.
    """
    fold_in = blocks.sparkSession.sparkContext.broadcast(FoldIn(factors))
    share = min(1.0, _TRIED_ON / len(factors.kernel))

    def run(rows: Iterator[Any]) -> Iterator[np.ndarray]:
        errors = np.zeros(len(NOISES))
        for row in rows:
            block = block_from_row(row)
            errors += squared_errors(fold_in.value, block.take(mix(block.hashes) * 2.0**-64 <= share), examples)
        yield errors

    errors = blocks.rdd.mapPartitions(run).treeReduce(np.add)
    fold_in.destroy()
    return NOISES[int(np.argmin(errors))]


def squared_errors(fold_in: FoldIn, block: Block, examples: Examples) -> np.ndarray:
    """The sum of squared errors on the validation ratings of a block of users by each of NOISES."""
    errors = np.zeros(len(NOISES))
    shown, held = (examples.preprocessing.scale(part) for part in examples.arrays(block, VALIDATION))
    for row, array in enumerate(shown.toarray()):
        movies, truth = held[row].indices, held[row].data
        guesses = fold_in.weights(array, NOISES) @ fold_in.traits[movies].T + fold_in.mean[movies]
        errors += np.square(guesses - truth).sum(axis=1)
    return errors
