"""Models that are solved in one step: their history is the losses of the fit, as one epoch."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from recsys.models.base import ModelFamily
from recsys.training.base import AfterRound, Trainer, TrainingData, no_checkpoint
from recsys.training.history import Seconds


class ClosedFormTrainer(Trainer):
    """Calls `solve` once."""

    epochs = 1
    in_epochs = False

    def __init__(self, data: TrainingData, solve: Callable[[TrainingData], ModelFamily]) -> None:
        self._data, self._solve = data, solve
        self._model: ModelFamily | None = None

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        clock = time.monotonic()
        self._model = self._solve(self._data)
        return Seconds(compute=time.monotonic() - clock)

    def losses(self) -> dict[int, float]:
        from recsys.data.split import TRAIN  # late: a family's own module is imported where Spark is not
        from recsys.evaluation.loss import mean_losses

        assert self._model is not None
        data = self._data
        shared = data.parts[TRAIN].blocks.context.broadcast(self._model.scorer())
        try:
            about = {TRAIN: data.config.training.loss_rows}
            measured = mean_losses(data.parts, shared, data.examples, data.loss, about)
            return {role: mean.loss for role, mean in measured.items()}
        finally:
            shared.destroy()

    def weights(self) -> list[np.ndarray]:
        return []

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        assert self._model is not None
        return self._model
