"""What users would pick instead of an autoencoder, as plain NumPy: each is a function of training ratings that gives a
function from the ratings shown of other users (users x movies, CSR) to scores (users, movies)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from scipy.sparse import csr_matrix

from recsys.evaluation.baselines import bias_predictions
from recsys.models.ease.solve import ease

Scorer = Callable[[csr_matrix], np.ndarray]
Setting = TypeVar("Setting")


def popularity(train: csr_matrix) -> Scorer:
    """The number of training ratings of each movie, whoever asks."""
    counts = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    return lambda shown: np.broadcast_to(counts, shown.shape)


def biases(train: csr_matrix) -> Scorer:
    """Mean + movie bias + user bias, damped (Koren 2010, section 2.1)."""
    sums = np.bincount(train.indices, train.data, train.shape[1])
    counts = np.bincount(train.indices, minlength=train.shape[1])

    def score(shown: csr_matrix) -> np.ndarray:
        mean, movie, user = bias_predictions(shown, sums, counts)
        return (mean + movie[None, :] + user[:, None]).astype(np.float32)

    return score


def linear(train: csr_matrix, l2: float) -> Scorer:
    """EASE (Steck 2019)."""
    weights = ease((train.T @ train).toarray(), l2).astype(np.float32)
    return lambda shown: shown @ weights


def cosine(matrix: csr_matrix, shrinkage: float) -> np.ndarray:
    """Similarity (movies, movies) of the columns, x.y / (|x| |y| + shrinkage), 0 on the diagonal."""
    products = (matrix.T @ matrix).toarray().astype(np.float64)
    lengths = np.sqrt(np.diag(products))
    below = np.outer(lengths, lengths) + shrinkage
    similarity: np.ndarray = np.divide(products, below, out=np.zeros_like(products), where=below > 0)
    np.fill_diagonal(similarity, 0.0)
    return similarity


def nearest(similarity: np.ndarray, k: int) -> np.ndarray:
    """Each column with only its k largest entries; of equal ones those of the smaller index."""
    order = np.argsort(-similarity, axis=0, kind="stable")[:k]
    kept = np.zeros_like(similarity)
    np.put_along_axis(kept, order, np.take_along_axis(similarity, order, axis=0), axis=0)
    return kept


def neighbours(train: csr_matrix, k: int, shrinkage: float) -> Scorer:
    """Item kNN for likes: the sum of similarities of a movie's k nearest that the user likes."""
    weights = nearest(cosine(train, shrinkage), k).astype(np.float32)
    return lambda shown: shown @ weights


def rating_neighbours(train: csr_matrix, k: int, shrinkage: float) -> Scorer:
    """Item kNN for ratings: the bias prediction, plus the mean of what the user's ratings of a movie's k nearest differ
    from theirs, weighted by similarity (Koren 2010, section 2.2); without a rated neighbour the bias prediction."""
    score_by_bias = biases(train)
    weights = nearest(np.maximum(cosine(_residuals(train, score_by_bias(train)), shrinkage), 0.0), k)

    def score(shown: csr_matrix) -> np.ndarray:
        base = score_by_bias(shown)
        rated = csr_matrix((np.ones_like(shown.data), shown.indices, shown.indptr), shape=shown.shape)
        total, weight = _residuals(shown, base) @ weights, rated @ weights
        return (base + np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)).astype(np.float32)

    return score


def best_of(
    settings: Iterable[Setting], fit: Callable[[Setting], Scorer], judge: Callable[[Scorer], float]
) -> tuple[Setting, Scorer]:
    """The setting whose scorer is judged best, the first of equal ones, and that scorer."""
    best: tuple[float, Setting, Scorer] | None = None
    for setting in settings:
        scorer = fit(setting)
        quality = judge(scorer)
        if best is None or quality > best[0]:
            best = quality, setting, scorer
    if best is None:
        raise ValueError("no settings to choose from")
    return best[1], best[2]


def _residuals(matrix: csr_matrix, base: np.ndarray) -> csr_matrix:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return csr_matrix((matrix.data - base[rows, matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape)
