"""The linear item-item model: EASE (Steck 2019) and its denoising variant EDLAE (Steck 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config.model import ModelConfig
from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.models.base import MemoryNeeds, ModelFamily, Scorer, Support
from recsys.models.ease.config import EaseConfig
from recsys.models.ease.solve import item_weights
from recsys.models.files import read_scorer, write_scorer

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData

LAYER = "linear"  # its name in the Keras model
_MOST_MOVIES = 20_000  # 3.2 GB a matrix of float64, of which the driver holds three


class EaseScorer(Scorer):
    """Scores X B of rating arrays X: a movie's score is the sum of its weights from the movies rated."""

    def __init__(self, weights: np.ndarray, preprocessing: Preprocessing) -> None:
        self.weights, self.preprocessing, self.columns = weights, preprocessing, len(weights)

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return np.asarray(self.preprocessing.scale(ratings) @ self.weights)

    def explain(self, ratings: csr_matrix, movie: int) -> np.ndarray:
        scaled = self.preprocessing.scale(ratings)
        return np.asarray(scaled.data * self.weights[scaled.indices, movie], np.float32)


class Ease(ModelFamily):
    """Item-item weights (movies x movies, float32): the score of movie j from movie i in [i, j]."""

    Config = EaseConfig
    supports = Support(strategies=(), closed_form=True, losses=("multinomial",), weights=True)

    def __init__(self, config: EaseConfig, preprocessing: Preprocessing, weights: np.ndarray) -> None:
        self.config: EaseConfig = config
        self.preprocessing, self.weights = preprocessing, weights

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        from recsys.training.closed_form import ClosedFormTrainer

        return ClosedFormTrainer(data, cls.solve)

    @classmethod
    def solve(cls, data: TrainingData) -> Ease:
        """The weights from the training users' rating arrays."""
        from recsys.data.split import TRAIN
        from recsys.models.ease.gramian import gramian

        config = data.config.model
        assert isinstance(config, EaseConfig)
        total, counts = gramian(data.parts[TRAIN], data.examples, config.user_power)
        weights = item_weights(total, counts, config.l2, config.dropout, config.movie_power)
        return cls(config, data.preprocessing, weights)

    def scorer(self) -> EaseScorer:
        return EaseScorer(self.weights, self.preprocessing)

    def keras_model(self) -> Any:
        """The model in Keras: one Dense layer without a bias."""
        from recsys.tensorflow_env import quiet_keras

        keras = quiet_keras()
        movies = len(self.weights)
        ratings = keras.Input((movies,), name="ratings")
        dense = keras.layers.Dense(movies, use_bias=False, kernel_initializer="zeros", trainable=False, name=LAYER)
        model = keras.Model(ratings, dense(ratings), name="linear_model")
        model.get_layer(LAYER).set_weights([np.asarray(self.weights)])
        return model

    def save(self, folder: Path) -> None:
        from recsys.models.exchange import save_keras

        save_keras(folder, self.keras_model())
        write_scorer(folder, self.config, self.preprocessing, {"weights": self.weights})

    @classmethod
    def load(cls, folder: Path) -> Ease:
        saved = read_scorer(folder)
        return cls(EaseConfig.model_validate(saved.config), saved.preprocessing, saved.arrays["weights"])

    @classmethod
    def memory(cls, config: ModelConfig, columns: int) -> MemoryNeeds:
        return MemoryNeeds(0, driver=3 * 8 * columns * columns)

    @classmethod
    def check(cls, config: ModelConfig, columns: int) -> None:
        if columns > _MOST_MOVIES:
            raise UserError(
                f"model.kind = 'linear' inverts a matrix of {columns:,} x {columns:,} movies, at most "
                f"{_MOST_MOVIES:,} are allowed: narrow the selection by data.year_from and data.year_to, or take "
                "another kind of model"
            )
