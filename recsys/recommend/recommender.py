"""A saved model: what it consists of on disk, and recommendations from it without Spark and without training data."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix

from recsys.checksums import check_digests, digest_of, read_sealed, write_sealed
from recsys.columns import INDEX, MOVIE_ID, POPULARITY, TITLE, YEAR
from recsys.config import ModelConfig
from recsys.data.examples import Preprocessing
from recsys.errors import UserError
from recsys.evaluation.factors import OUTPUT, Factors
from recsys.evaluation.fold_in import FoldIn
from recsys.evaluation.metrics import top_n
from recsys.evaluation.scoring import batch_rows, network_of
from recsys.models.autoencoder.kernels.network import Network

FORMAT_VERSION = 2
_READABLE = (1, 2)  # 1 had users' arrays alone, and did not say so
_PREPROCESSING, _ITEMS = "preprocessing.json", "items.parquet"
_FACTOR_FILES = ("codes.npy", "offsets.npy", "noise.npy")
_ITEM_COLUMNS = [INDEX, MOVIE_ID, TITLE, YEAR, POPULARITY]


class Recommender:
    """A trained autoencoder with its movies. Rating matrices are SciPy CSR, users x movies, of raw ratings.

    `model` is called as a Keras model is, with users' rating arrays: of a model of movies' arrays it is a FoldIn.
    """

    def __init__(self, model: Any, items: pd.DataFrame, preprocessing: Preprocessing, loss: str) -> None:
        self._model, self._items, self._preprocessing, self._loss = model, items, preprocessing, loss
        self.items: np.ndarray = items[MOVIE_ID].to_numpy()  # movie ids in index order
        self.titles: np.ndarray = items[TITLE].to_numpy()  # in index order
        self.popularity: np.ndarray = items[POPULARITY].to_numpy()  # ratings in training data, in index order
        self._index = {movie: index for index, movie in enumerate(self.items.tolist())}

    @property
    def preprocessing(self) -> Preprocessing:
        """How raw ratings become what the model takes."""
        return self._preprocessing

    def scorer(self, model: ModelConfig) -> Network | FoldIn:
        """What scores without Keras, to be sent to workers; `model` are the settings that it was trained with."""
        return self._model if isinstance(self._model, FoldIn) else network_of(self._model, model)

    @property
    def predicts_ratings(self) -> bool:
        """Whether outputs stand for ratings, not only for an order."""
        return self._loss != "multinomial" and self._preprocessing.positive_from is None

    def to_rating(self, score: float) -> float:
        """A score as a rating, clipped to the scale."""
        return float(self._preprocessing.to_ratings(np.array(score)))

    def score(self, ratings: csr_matrix) -> np.ndarray:
        """Scores float32 (users, movies), larger is better; only to be compared within a row."""
        matrix = self._checked(ratings)
        scaled = self._preprocessing.scale(matrix)
        result = np.empty(scaled.shape, np.float32)
        size = batch_rows(scaled.shape[1])
        for start in range(0, scaled.shape[0], size):
            rows = slice(start, start + size)
            result[rows] = self._model(scaled[rows].toarray(), training=False)
        return result

    def predict(self, ratings: csr_matrix) -> np.ndarray:
        """Predicted ratings float32 (users, movies), clipped to the rating scale.

        Raises UserError for a model that scores movies but does not predict ratings.
        """
        if not self.predicts_ratings:
            raise UserError("this model ranks movies and predicts no ratings: use score(), or train with masked_mse")
        return self._preprocessing.to_ratings(self.score(ratings))

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
        item = self._items.iloc[index]
        year = None if pd.isna(item[YEAR]) else int(item[YEAR])
        movie = self.items[index]
        movie = int(movie) if isinstance(movie, np.integer) else movie
        return {"movie_id": movie, "title": str(item[TITLE]), "year": year, "score": score}

    def matrix(self, ratings: Mapping[Any, float]) -> csr_matrix:
        """One user's {movie id: rating} as a matrix of one row; UserError for unknown ids and impossible ratings."""
        unknown = [movie for movie in ratings if movie not in self._index]
        if unknown:
            raise UserError(f"movie {unknown[0]!r} is not among the {len(self.items):,} movies of this model")
        low, high = self._preprocessing.rating_min, self._preprocessing.rating_max
        for movie, rating in ratings.items():
            if not low <= rating <= high:
                raise UserError(f"rating {rating!r} of movie {movie!r} is off the scale of {low:g} to {high:g}")
        columns = np.array(sorted(self._index[movie] for movie in ratings), np.int32)
        values = np.array([ratings[self._id(index)] for index in columns], np.float32)
        return csr_matrix((values, columns, [0, len(columns)]), shape=(1, len(self.items)))

    def _id(self, index: int) -> Any:
        movie = self.items[index]
        return int(movie) if isinstance(movie, np.integer) else movie

    def _checked(self, ratings: csr_matrix) -> csr_matrix:
        matrix = csr_matrix(ratings)
        if matrix.shape[1] != len(self.items):
            raise UserError(f"ratings have {matrix.shape[1]} columns, the model has {len(self.items)} movies")
        return matrix


def save_model(directory: str | Path, model: Any) -> None:
    """Writes model.keras whole or not at all; the model must not be compiled, so that plain Keras loads it."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    # written beside and moved into place: a killed run keeps the model that it had
    temporary = folder / f".{os.getpid()}.model.keras"
    try:
        model.save(temporary)
        temporary.replace(folder / "model.keras")
    except BaseException:  # a full disk
        temporary.unlink(missing_ok=True)
        raise


def save_movies(
    directory: str | Path, items: pd.DataFrame, preprocessing: Preprocessing, loss: str, orientation: str = "user"
) -> None:
    """Writes items.parquet and preprocessing.json, what a model needs beside its weights."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    items[_ITEM_COLUMNS].to_parquet(folder / _ITEMS, index=False, write_page_checksum=True)
    digests = {_ITEMS: digest_of(folder / _ITEMS)}
    described = {"format_version": FORMAT_VERSION, "loss": loss, "orientation": orientation, **asdict(preprocessing)}
    write_sealed(folder / _PREPROCESSING, {**described, "sha256": digests})


def save_factors(directory: str | Path, factors: Factors) -> None:
    """Writes codes.npy (movies x k), offsets.npy (movies) and noise.npy (a number): what a model of movies' arrays,
    whose inputs are not saved, knows of the movies. The rest of the factors is the model's last layer."""
    folder = Path(directory)
    described = read_sealed(folder / _PREPROCESSING)
    for name in _FACTOR_FILES:
        np.save(folder / name, getattr(factors, name.removesuffix(".npy")), allow_pickle=False)
        described["sha256"][name] = digest_of(folder / name)
    write_sealed(folder / _PREPROCESSING, described)


def load_recommender(model_dir: str | Path) -> Recommender:
    """The recommender saved in a run directory's `model` folder (or the run directory itself). Needs no Spark."""
    folder = Path(model_dir)
    if not (folder / "preprocessing.json").exists() and (folder / "model").is_dir():
        folder = folder / "model"
    missing = [name for name in ("model.keras", "items.parquet", "preprocessing.json") if not (folder / name).exists()]
    if missing:
        raise UserError(f"{folder}: no saved model ({', '.join(missing)} missing): give a run directory of train")
    with _readable(folder / _PREPROCESSING):
        described = read_sealed(folder / _PREPROCESSING)
        version = described.pop("format_version")
        loss, orientation = described.pop("loss"), described.pop("orientation", "user")
        digests = described.pop("sha256", {})
        preprocessing = Preprocessing(**described)
    if version not in _READABLE:
        raise UserError(f"{folder}: saved by another version of this program: train again")
    model = load_model(folder)
    with _readable(folder / _ITEMS):
        check_digests(folder, {name: digest for name, digest in digests.items() if name == _ITEMS})
        items = pq.read_table(folder / _ITEMS, page_checksum_verification=True).to_pandas()
    if orientation == "movie":
        model = FoldIn(_load_factors(folder, model, digests))
    return Recommender(model, items, preprocessing, loss)


def load_model(directory: str | Path) -> Any:
    """The Keras model in a run directory's `model` folder (or the run directory itself); nothing in it is executed."""
    from recsys.tensorflow_env import quiet_keras

    folder = Path(directory)
    file = folder / "model.keras" if (folder / "model.keras").exists() else folder / "model" / "model.keras"
    keras = quiet_keras()
    with _readable(file):
        with zipfile.ZipFile(file) as archive:  # Keras reads weights piece by piece, and not up to their checksum
            if (broken := archive.testzip()) is not None:
                raise ValueError(f"the checksum of {broken} in it is wrong")
        return keras.models.load_model(file, compile=False, safe_mode=True)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """UserError, with the file's name, for whatever is wrong with a saved file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # as many kinds as there are libraries that read it
        what = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{file}: was changed or cut off since it was written ({what[0]}): train again") from error


def _load_factors(folder: Path, model: Any, digests: Mapping[str, str]) -> Factors:
    missing = [name for name in _FACTOR_FILES if not (folder / name).exists()]
    if missing:
        raise UserError(
            f"{folder}: {', '.join(missing)} missing, which are written when the training has ended: train again"
        )
    for name, digest in digests.items():  # there are none in models of before
        with _readable(folder / name):
            check_digests(folder, {name: digest})
    codes, offsets, noise = (np.load(folder / name, allow_pickle=False) for name in _FACTOR_FILES)
    kernel, bias = model.get_layer(OUTPUT).get_weights()
    return Factors(codes, offsets, kernel.T, bias, float(noise))
