"""The training loop: epochs, the master model's losses, early stopping, and the weights that are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from recsys.config import Config
from recsys.errors import UserError
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.scoring import share
from recsys.ratings.examples import Examples
from recsys.ratings.parts import Part
from recsys.ratings.split import TRAIN, VALIDATION
from recsys.training.elephas_strategy import ElephasStrategy
from recsys.training.history import Epoch, History


@dataclass(frozen=True)
class Progress:
    """What is known after an epoch."""

    epoch: Epoch
    epochs: int
    best: Epoch
    users_per_second: float
    seconds_left: float


def train(
    model: keras.Model,
    config: Config,
    examples: Examples,
    parts: dict[int, Part],
    history: History,
    on_epoch: Callable[[Progress], None],
    on_best: Callable[[keras.Model], None],
) -> Epoch:
    """Trains `model` in place and returns the epoch whose weights it ends with.

    `parts` holds the training and the validation users. `on_best` is called with the model whenever its weights are
    those that would be kept if training ended now. Test data has no part in it.
    """
    settings = config.training
    if not parts[VALIDATION].rows:
        raise UserError(
            "no user is left for validation, by which the best epoch is found: raise data.validation_fraction = "
            f"{config.data.validation_fraction:g}, or widen the selection"
        )
    strategy = ElephasStrategy(model, config, examples, parts[TRAIN])
    context = parts[TRAIN].blocks.context
    kept: list[np.ndarray] | None = None
    started = time.monotonic()
    for number in range(1, settings.epochs + 1):
        clock = time.monotonic()
        strategy.train_epoch(number)
        shared = share(context, model)
        losses = mean_losses(parts, shared, examples, config.model.loss)
        shared.destroy()
        seconds = time.monotonic() - clock
        rows = parts[TRAIN].rows
        epoch = Epoch(number, losses[TRAIN], losses[VALIDATION], round(seconds, 3), rows, settings.workers)
        history.append(epoch)
        if not math.isfinite(epoch.train_loss):
            raise UserError(
                f"the training loss of epoch {number} is {epoch.train_loss}: lower training.learning_rate = "
                f"{settings.learning_rate:g}; what was trained before is kept"
            )
        best = history.best
        if settings.keep == "last" or best is epoch:
            kept = model.get_weights()
            on_best(model)
        left = (time.monotonic() - started) / number * (settings.epochs - number)
        on_epoch(Progress(epoch, settings.epochs, best, rows / seconds, left))
        if settings.patience and number - best.epoch >= settings.patience:
            break
    if kept is not None:
        model.set_weights(kept)
    return history.best if settings.keep == "best" else history.epochs[-1]
