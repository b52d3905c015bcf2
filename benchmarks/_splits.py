"""The very splits that a run has, from the prepared data on disk, without Spark; and what scores are worth on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix, vstack

from recsys.config import Config
from recsys.data.blocks import Block, block_from_row
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.evaluation.measure import Sums, measure_ranking

Pair = tuple[csr_matrix, csr_matrix]
STARS = 5.0  # the highest rating, of the scale that ridges and shrinkages are chosen for


@dataclass(frozen=True)
class Splits:
    """Ratings as the models get them, users x movies: likes are 1, ratings are of 5 stars, whatever their scale.

    `train` are all rows of the training users; by rating, the training ratings of all. Pairs are (shown, held out).
    What is held out is raw, but for likes, which are 1.
    """

    train: csr_matrix
    validation: Pair
    test: Pair
    by_rating: bool
    preprocessing: Preprocessing

    @property
    def likes(self) -> bool:
        """Whether there are likes in place of ratings."""
        return self.preprocessing.likes

    def rating_figures(self, predictions: np.ndarray, held: csr_matrix) -> dict[str, float]:
        """`rating_figures` of predictions of 5 stars, on the data's own scale."""
        scale = self.preprocessing.rating_min, self.preprocessing.rating_max
        return rating_figures(self.preprocessing.to_ratings(predictions / STARS), held, scale)


def read_splits(prepared: Path, config: Config) -> Splits:
    """The splits of prepared data by the seed and fractions of the settings."""
    described = json.loads((prepared / "prepared.json").read_text(encoding="utf-8"))
    preprocessing = Preprocessing.of(described)
    movies = pq.read_metadata(prepared / "items.parquet").num_rows
    blocks = [block_from_row(row) for row in pq.read_table(prepared / "blocks").to_pylist()]
    return splits_of(blocks, Examples.of(config, movies, preprocessing))


def splits_of(blocks: list[Block], examples: Examples) -> Splits:
    """The splits of blocks in memory."""
    preprocessing = examples.preprocessing.without_weights()

    def joined(matrices: list[csr_matrix]) -> csr_matrix:
        scaled = preprocessing.scale(vstack(matrices).tocsr())
        if not preprocessing.likes:
            scaled.data *= np.float32(STARS)
        return scaled

    def pair(role: int) -> Pair:
        pairs = [examples.shown_and_held(block.take(examples.rows(block, role)), role) for block in blocks]
        held = vstack([held for _, held in pairs]).tocsr()
        return joined([shown for shown, _ in pairs]), preprocessing.scale(held) if preprocessing.likes else held

    train = joined([examples.arrays(block.take(examples.rows(block, TRAIN)), TRAIN)[0] for block in blocks])
    return Splits(train, pair(VALIDATION), pair(TEST), examples.by_rating, preprocessing)


def ranking_figures(scores: np.ndarray, pair: Pair, config: Config) -> dict[str, float]:
    """Recall and NDCG by the project's own functions, means over the users with something held out."""
    sums = Sums()
    measure_ranking(sums, "one", scores, *pair, config)
    settings = config.evaluation
    names = [f"ndcg@{settings.ndcg_at}", *(f"recall@{k}" for k in settings.recall_at)]
    means = {name: sums.mean(f"one/{name}")["mean"] for name in names}
    return {name: float(mean) for name, mean in means.items() if mean is not None}


def rating_figures(predictions: np.ndarray, held: csr_matrix, scale: tuple[float, float]) -> dict[str, float]:
    """RMSE and MAE over the held-out ratings that have a prediction (not NaN), clipped to the scale; coverage is the
    part of them that has."""
    rows = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    guesses = predictions[rows, held.indices].astype(np.float64)
    known = ~np.isnan(guesses)
    if not known.any():
        return {"coverage": 0.0}
    error = np.clip(guesses[known], *scale) - held.data[known]
    rmse, mae = float(np.sqrt(np.square(error).mean())), float(np.abs(error).mean())
    return {"rmse": rmse, "mae": mae, "coverage": float(known.mean())}
