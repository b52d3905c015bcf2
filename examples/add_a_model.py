"""A new family of models in one file outside of howdah: item neighbours, solved in closed form.

    ./spark-submit.sh train --set model.kind=examples/add_a_model.py:ItemNeighbours --set model.shrinkage=20

It trains, is evaluated, resumes, recommends and is compared as every other family. In a package of your own, an entry
point gives it a name: `[project.entry-points."howdah.models"]`, `neighbours = "my_package.neighbours:ItemNeighbours"`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config.model import ModelConfig
from recsys.config.table import key
from recsys.data.preprocessing import Preprocessing
from recsys.models.base import ModelFamily, Scorer, Support
from recsys.models.files import read_scorer, write_scorer
from recsys.training.base import Trainer, TrainingData
from recsys.training.closed_form import ClosedFormTrainer


class NeighboursConfig(ModelConfig):
    """The family's own settings."""

    kind: str = key("examples/add_a_model.py:ItemNeighbours", "item neighbours by cosine")
    loss: str = key("multinomial", "the loss that is reported")
    shrinkage: float = key(10.0, "similarities of movies that few users rated both are drawn towards 0", "users", ge=0)


class NeighboursScorer(Scorer):
    """A movie's score is the sum of its similarities to the movies rated."""

    def __init__(self, similarities: np.ndarray, preprocessing: Preprocessing) -> None:
        self.similarities, self.preprocessing, self.columns = similarities, preprocessing, len(similarities)

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return np.asarray(self.preprocessing.scale(ratings) @ self.similarities)


class ItemNeighbours(ModelFamily):
    """Similarities of movies (movies x movies, float32): the cosine of their columns, shrunk."""

    Config = NeighboursConfig
    supports = Support(strategies=(), closed_form=True, losses=("multinomial",))

    def __init__(self, config: ModelConfig, preprocessing: Preprocessing, similarities: np.ndarray) -> None:
        self.config, self.preprocessing, self.similarities = config, preprocessing, similarities

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        return ClosedFormTrainer(data, cls.solve)

    @classmethod
    def solve(cls, data: TrainingData) -> ItemNeighbours:
        """The similarities from the training users."""
        from recsys.data.split import TRAIN
        from recsys.models.ease.gramian import gramian

        config = data.config.model
        assert isinstance(config, NeighboursConfig)
        together, _ = gramian(data.parts[TRAIN], data.examples)  # sums over Spark's partitions
        lengths = np.sqrt(np.maximum(np.diag(together), 1e-9))
        similarities = together / np.outer(lengths, lengths) * (together / (together + config.shrinkage))
        np.fill_diagonal(similarities, 0.0)
        return cls(config, data.preprocessing, similarities.astype(np.float32))

    def scorer(self) -> NeighboursScorer:
        return NeighboursScorer(self.similarities, self.preprocessing)

    def save(self, folder: Path) -> None:
        write_scorer(folder, self.config, self.preprocessing, {"similarities": self.similarities})

    @classmethod
    def load(cls, folder: Path) -> ItemNeighbours:
        saved = read_scorer(folder)
        return cls(cls.Config.model_validate(saved.config), saved.preprocessing, saved.arrays["similarities"])
