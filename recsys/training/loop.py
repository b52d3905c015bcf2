"""The training loop: epochs, the master model's losses, early stopping, checkpoints, and the weights that are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from recsys.config import Config, TrainingConfig
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.training.checkpoint import Checkpoints, Position, Snapshot
from recsys.training.history import Epoch, History, Seconds
from recsys.training.strategies import Strategy, strategy_for
from recsys.training.tensorboard import Curves

CHECKPOINTS = "checkpoints"
_BEST = "best."  # what the arrays of a checkpoint are called that hold the kept weights


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
    density: float,
    run: Path,
    on_epoch: Callable[[Progress], None],
    on_best: Callable[[keras.Model], None],
    say: Callable[[str], None] = lambda text: None,
) -> Epoch:
    """Trains `model` in place and returns the epoch whose weights it ends with.

    `parts` holds the training and the validation users; `density` is the part of all entries that are rated. `run` is
    where history.csv and the checkpoints lie: where there is one of these, training goes on from it. `on_best` is
    called with the model whenever its weights are those that would be kept if training ended now; what is noteworthy
    beside that goes to `say`. Test data has no part in it.
    """
    if not parts[VALIDATION].rows:
        raise UserError(
            "no user is left for validation, by which the best epoch is found: raise data.validation_fraction = "
            f"{config.data.validation_fraction:g}, or widen the selection"
        )
    settings = config.training
    checkpoints = Checkpoints(run / CHECKPOINTS, settings.checkpoint_seconds)
    strategy = strategy_for(model, config, examples, parts, density)
    position, history, kept = _begin(checkpoints, strategy, run, say)
    curves = Curves(run / "tensorboard", history.epochs)
    rows = parts[TRAIN].rows
    began, before = time.monotonic(), len(history.epochs)
    while not _over(position, history, settings):
        number = position.epoch
        clock = time.monotonic()
        split = Seconds()
        for one in range(position.round, strategy.rounds):
            split += strategy.train_round(number, one)
            if one + 1 < strategy.rounds and checkpoints.due:
                _save(checkpoints, Position(number, one + 1), history, strategy, kept)
        trained = time.monotonic()
        losses = strategy.losses()
        split += Seconds(validation=time.monotonic() - trained)
        seconds = time.monotonic() - clock
        epoch = Epoch(number, losses[TRAIN], losses[VALIDATION], round(seconds, 3), rows, settings.workers, split)
        history.append(epoch)
        curves.write(epoch)
        if not math.isfinite(epoch.train_loss):
            raise UserError(
                f"the training loss of epoch {number} is {epoch.train_loss}: lower training.learning_rate = "
                f"{settings.learning_rate:g}; what was trained before is kept"
            )
        if settings.keep == "last" or history.best is epoch:
            strategy.renew(model)
            kept = model.get_weights()
            on_best(model)
        position = Position(number + 1)
        if checkpoints.due or (_over(position, history, settings) and checkpoints.any):
            _save(checkpoints, position, history, strategy, kept)
        done = len(history.epochs) - before
        left = (time.monotonic() - began) / done * (settings.epochs - number)
        on_epoch(Progress(epoch, settings.epochs, history.best, rows / seconds, left))
    strategy.close()
    curves.close()
    if kept is not None:
        model.set_weights(kept)
    return history.best if settings.keep == "best" else history.epochs[-1]


def forget_checkpoints(run: Path) -> None:
    """Deletes the checkpoints of a run that has ended well."""
    Checkpoints(run / CHECKPOINTS, 0).remove()


def _over(position: Position, history: History, settings: TrainingConfig) -> bool:
    if position.epoch > settings.epochs:
        return True
    waited = position.epoch - 1 - history.best.epoch if settings.patience and history.epochs else 0
    return bool(settings.patience) and waited >= settings.patience


def _begin(
    checkpoints: Checkpoints, strategy: Strategy, run: Path, say: Callable[[str], None]
) -> tuple[Position, History, list[np.ndarray] | None]:
    """Where to begin: at the last good checkpoint, or anew."""
    snapshot, wrong = checkpoints.load()
    for text in wrong:
        say(f"a checkpoint cannot be used, the one before it is: {text}")
    if snapshot is None:
        return Position(), History(run / "history.csv"), None
    say(
        f"going on at epoch {snapshot.position.epoch}"
        + f", round {snapshot.position.round}" * (snapshot.position.round > 0)
    )
    best = {name: array for name, array in snapshot.arrays.items() if name.startswith(_BEST)}
    kept = [best[f"{_BEST}{number}"] for number in range(len(best))] or None
    strategy.restore(snapshot)
    return snapshot.position, History(run / "history.csv", snapshot.history), kept


def _save(
    checkpoints: Checkpoints,
    position: Position,
    history: History,
    strategy: Strategy,
    kept: list[np.ndarray] | None,
) -> None:
    best = {f"{_BEST}{number}": array for number, array in enumerate(kept or [])}
    arrays, moments = strategy.state()
    strategy.saved(checkpoints.save(Snapshot(position, history.epochs, {**arrays, **best}, []), moments))
