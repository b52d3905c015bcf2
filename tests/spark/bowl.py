"""A family for tests of tuning: its validation loss is a bowl over two settings, with a corner that cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config.model import ModelConfig
from recsys.config.ranges import Range
from recsys.config.table import Complaint, key
from recsys.data.split import TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.models.base import ModelFamily, Scorer, Support
from recsys.training.base import AfterRound, Trainer, no_checkpoint
from recsys.training.history import Seconds

KIND = "bowl:Bowl"
INTERRUPT_AT: list[tuple[float, int]] = []  # (x, epoch): there a user presses Ctrl-C, once


class BowlConfig(ModelConfig):
    """Its lowest point is at x = 0.3, y = 10."""

    search = {"model.x": Range(low=0, high=1), "model.y": Range(low=1, high=100, scale="log")}  # noqa: RUF012

    kind: str = key(KIND, "for tests")
    loss: str = key("masked_mse", "the loss")
    x: float = key(0.9, "one", ge=0, le=1)
    y: float = key(2.0, "another", gt=0)
    breaks: bool = key(False, "whether training fails")

    def complaints(self) -> Iterator[Complaint]:
        """A corner of the space."""
        if self.x > 0.7 and self.y > 30:
            yield ("model.x", "model.y"), "model.x does not go with model.y here"

    @property
    def depth(self) -> float:
        """0 at the lowest point."""
        return (self.x - 0.3) ** 2 + (math.log10(self.y) - 1) ** 2


class BowlTrainer(Trainer):
    """Each epoch comes nearer to what the settings can reach."""

    def __init__(self, data: Any) -> None:
        self._data, self.epochs, self._loss = data, data.config.training.epochs, math.nan

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        config = self._data.config.model
        if config.breaks:
            raise UserError("the bowl is broken")
        for at in INTERRUPT_AT:
            if at[0] == config.x and at[1] == epoch:
                INTERRUPT_AT.remove(at)
                raise KeyboardInterrupt
        self._loss = config.depth + 1 / epoch + (self._data.config.seed % 7) / 1e6
        return Seconds()

    def losses(self) -> dict[int, float]:
        return {role: self._loss for role in (TRAIN, VALIDATION)}

    def weights(self) -> list[np.ndarray]:
        return []

    def as_model(self, weights: list[np.ndarray] | None) -> Bowl:
        return Bowl(self._data.config.model, self._data.preprocessing, self._data.columns)


class BowlScorer(Scorer):
    """The same for all, further from any rating the further the settings are from the lowest point."""

    def __init__(self, depth: float, preprocessing: Any, columns: int) -> None:
        self.depth, self.preprocessing, self.columns = depth, preprocessing, columns

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return np.full(ratings.shape, 0.6 - self.depth, np.float32)


class Bowl(ModelFamily):
    """The family."""

    Config = BowlConfig
    supports = Support(orientations=("user", "movie"))

    def __init__(self, config: ModelConfig, preprocessing: Any, columns: int) -> None:
        self.config, self.preprocessing, self._columns = config, preprocessing, columns

    @classmethod
    def trainer(cls, data: Any) -> Trainer:
        return BowlTrainer(data)

    def scorer(self) -> Scorer:
        assert isinstance(self.config, BowlConfig)
        return BowlScorer(self.config.depth, self.preprocessing, self._columns)

    def save(self, folder: Path) -> None:
        raise AssertionError("no model of a trial is saved")

    @classmethod
    def load(cls, folder: Path) -> Bowl:
        raise NotImplementedError
