"""Recommendations from a model by NumPy: no Spark, no TensorFlow, no training data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.evaluation.batching import batch_rows
from recsys.evaluation.topk import top_n
from recsys.models.base import Scorer
from recsys.recommend.items import Items
from recsys.registries import loss_named


class Recommender:
    """A model with its movies. Rating matrices are SciPy CSR, users x movies, of raw ratings.

    Every stored entry is a rating, also one of 0. A dense array is taken for a matrix of its non-zero entries.

    Attributes:
        items: movie ids in index order.
        titles: titles in index order.
        popularity: ratings in the training data, in index order.
        scorer: what scores, to be sent to workers.
    """

    def __init__(self, scorer: Scorer, items: Items, loss: str) -> None:
        self.scorer, self._items, self._loss = scorer, items, loss
        self.items: np.ndarray = items.ids
        self.titles: np.ndarray = items.titles
        self.popularity: np.ndarray = items.popularity
        self._ids: list[Any] = items.ids.tolist()
        self._index = {movie: index for index, movie in enumerate(self._ids)}

    @property
    def preprocessing(self) -> Preprocessing:
        """How raw ratings become what the model takes."""
        return self.scorer.preprocessing

    @property
    def predicts_ratings(self) -> bool:
        """Whether scores stand for ratings, not only for an order."""
        return loss_named(self._loss).predicts_ratings and not self.preprocessing.likes

    def to_rating(self, score: float) -> float:
        """A score as a rating, clipped to the scale."""
        return float(self.preprocessing.to_ratings(np.array(score)))

    def score(self, ratings: csr_matrix) -> np.ndarray:
        """Scores float32 (users, movies), larger is better; only to be compared within a row.

        Raises UserError for another number of movies, and for a dense array where 0 is a rating of the scale.
        """
        matrix = self._checked(ratings)
        size = batch_rows(matrix.shape[1])
        if matrix.shape[0] <= size:
            return np.asarray(self.scorer.score(matrix), np.float32)
        result = np.empty(matrix.shape, np.float32)
        for start in range(0, matrix.shape[0], size):
            rows = slice(start, start + size)
            result[rows] = self.scorer.score(matrix[rows])
        return result

    def predict(self, ratings: csr_matrix) -> np.ndarray:
        """Predicted ratings float32 (users, movies), clipped to the rating scale.

        Raises UserError for a model that scores movies but does not predict ratings.
        """
        if not self.predicts_ratings:
            raise UserError("this model ranks movies and predicts no ratings: use score(), or train with masked_mse")
        return self.preprocessing.to_ratings(self.score(ratings))

    def recommend(self, ratings: Mapping[Any, float], n: int = 10) -> list[dict[str, Any]]:
        """The n best movies that `ratings` ({movie id: rating}) does not hold: movie_id, title, year, score each.

        Raises UserError for an id that the model does not know.
        """
        if n < 1:
            raise UserError(f"n = {n}: at least 1 movie")
        matrix = self.matrix(ratings)
        scores = self.score(matrix)
        best = top_n(scores, matrix, n)[0]
        return [self.describe(int(index), float(scores[0, index])) for index in best if index >= 0]

    def describe(self, index: int, score: float) -> dict[str, Any]:
        """A movie by its index, with a score."""
        title, year = str(self.titles[index]), self._items.year(index)
        return {"movie_id": self._ids[index], "title": title, "year": year, "score": score}

    def matrix(self, ratings: Mapping[Any, float]) -> csr_matrix:
        """One user's {movie id: rating} as a matrix of one row; UserError for unknown ids and impossible ratings."""
        unknown = [movie for movie in ratings if movie not in self._index]
        if unknown:
            raise UserError(f"movie {unknown[0]!r} is not among the {len(self._ids):,} movies of this model")
        for movie, rating in ratings.items():
            self._check_rating(movie, rating)
        columns = np.array(sorted(self._index[movie] for movie in ratings), np.int32)
        values = np.array([ratings[self._ids[index]] for index in columns], np.float32)
        return csr_matrix((values, columns, [0, len(columns)]), shape=(1, len(self._ids)))

    def _check_rating(self, movie: Any, rating: Any) -> None:
        """UserError for what no row of the data can hold."""
        if isinstance(rating, str) or not isinstance(rating, SupportsFloat):
            raise UserError(f"rating {rating!r} of movie {movie!r} is no number: give a number for each movie")
        scale = self.preprocessing
        low, high = scale.rating_min, scale.rating_max
        if scale.feedback == "ratings" and not low <= float(rating) <= high:
            raise UserError(f"rating {rating!r} of movie {movie!r} is off the scale of {low:g} to {high:g}")
        if scale.feedback == "likes" and rating != 1:
            raise UserError(f"rating {rating!r} of movie {movie!r}: the model is of likes: give 1 for each movie liked")
        if scale.feedback == "counts" and not 0 < float(rating) < math.inf:
            raise UserError(f"rating {rating!r} of movie {movie!r}: the model is of counts: give a number above 0")

    def _checked(self, ratings: csr_matrix) -> csr_matrix:
        scale = self.preprocessing
        if isinstance(ratings, np.ndarray) and not scale.likes and scale.rating_min <= 0 <= scale.rating_max:
            raise UserError(
                f"a dense array cannot tell a rating of 0 from none, on a scale of {scale.rating_min:g} to "
                f"{scale.rating_max:g}: give a scipy.sparse.csr_matrix that stores each rating"
            )
        matrix = csr_matrix(ratings)
        if matrix.shape[1] != len(self._ids):
            raise UserError(f"ratings have {matrix.shape[1]} columns, the model has {len(self._ids)} movies")
        return matrix
