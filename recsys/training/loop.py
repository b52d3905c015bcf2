"""The training loop: epochs, the master model's losses, early stopping, checkpoints, and the weights that are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recsys.config.training import TrainingConfig
from recsys.data.split import TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.models.base import ModelFamily
from recsys.training.base import Trainer, TrainingData
from recsys.training.checkpoint import Checkpoints
from recsys.training.history import Epoch, History, Seconds
from recsys.training.state import Position, Snapshot

if TYPE_CHECKING:
    from recsys.training.tensorboard import Curves

CHECKPOINTS = "checkpoints"
_SAVE_SECONDS = 5.0  # at most this often the best model so far is handed on, and where training ends
_BEST = "best."  # what the arrays of a checkpoint are called that hold the kept weights


@dataclass(frozen=True)
class Progress:
    """What is known after an epoch."""

    epoch: Epoch
    epochs: int
    best: Epoch
    users_per_second: float
    seconds_left: float
    orientation: str  # what rows are: "user" or "movie"

    def __str__(self) -> str:
        """One line: losses, speed and time left."""
        epoch, best = self.epoch, self.best
        note = "  best" if best is epoch else f"  best {best.validation_loss:.6g} at {best.epoch}"
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return (
            f"  epoch {epoch.epoch:>{len(str(self.epochs))}}/{self.epochs}  train {epoch.train_loss:.6g}  "
            f"validation {epoch.validation_loss:.6g}  {self.users_per_second:,.0f} {self.orientation}s/s  "
            f"{minutes}:{seconds:02d} left{note}"
        )


def train(
    trainer: Trainer,
    data: TrainingData,
    run: Path | None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
    on_best: Callable[[ModelFamily], None] = lambda model: None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[ModelFamily, Epoch, list[Epoch]]:
    """Trains until the epochs are over, early stopping included.

    Args:
        trainer: of the model's family.
        data: what it trains on. Test data has no part in it.
        run: where history.csv, TensorBoard files and checkpoints lie. Where there is a checkpoint, training goes on
            from it. None keeps nothing on disk.
        on_epoch: called after every epoch.
        on_best: called with the model that would be kept if training ended now, at most once in a few seconds, before
            each checkpoint and at the end.
        say: gets what is noteworthy beside that.

    Returns:
        The model that is kept, the epoch that it is of, and all epochs.

    Raises:
        UserError: no rows are left for validation, or the loss is no number any more.
    """
    settings = data.config.training
    if trainer.in_epochs and not data.parts[VALIDATION].rows:
        raise UserError(
            "no user is left for validation, by which the best epoch is chosen: raise data.validation_fraction = "
            f"{data.config.data.validation_fraction:g}, or widen the selection"
        )
    checkpoints = Checkpoints(run / CHECKPOINTS, settings.checkpoint_seconds) if run and trainer.in_epochs else None
    position, history, kept = _begin(checkpoints, trainer, run, say)
    curves = _curves(run, history, trainer)
    rows = data.parts[TRAIN].rows
    began, before = time.monotonic(), len(history.epochs)
    handed_on, waiting = -math.inf, False  # when a model was, and whether there is a better one

    def hand_on() -> None:
        nonlocal handed_on, waiting
        if waiting:
            on_best(trainer.as_model(kept))
            handed_on, waiting = time.monotonic(), False

    while not _over(position, history, settings, trainer.epochs):
        number = position.epoch
        clock = time.monotonic()

        def save_within(rounds_done: int, number: int = number, kept: list[np.ndarray] | None = kept) -> None:
            if checkpoints and checkpoints.due:
                hand_on()
                _save(checkpoints, Position(number, rounds_done), history, trainer, kept)

        split = trainer.train_epoch(number, position.round, save_within)
        trained = time.monotonic()
        losses = trainer.losses()
        split += Seconds(validation=time.monotonic() - trained)
        seconds = split.total if trainer.ahead else time.monotonic() - clock
        epoch = Epoch(number, losses[TRAIN], losses[VALIDATION], round(seconds, 3), rows, settings.workers, split)
        history.append(epoch)
        if curves:
            curves.write(epoch)
        if not math.isfinite(epoch.train_loss):
            hand_on()
            raise UserError(
                f"the training loss of epoch {number} is {epoch.train_loss}: lower {trainer.rate_key} = "
                f"{attrgetter(trainer.rate_key)(data.config):g}; what was trained before is kept"
            )
        if settings.keep == "last" or history.best is epoch:
            kept, waiting = trainer.weights(), True
            if time.monotonic() - handed_on >= _SAVE_SECONDS:
                hand_on()
        position = Position(number + 1)
        over = _over(position, history, settings, trainer.epochs)
        if checkpoints and (checkpoints.due or (over and checkpoints.any)):
            hand_on()
            _save(checkpoints, position, history, trainer, kept)
        done = len(history.epochs) - before
        left = (time.monotonic() - began) / done * (trainer.epochs - number)
        on_epoch(
            Progress(epoch, trainer.epochs, history.best, rows / max(seconds, 1e-9), left, data.config.data.orientation)
        )
    hand_on()
    best = trainer.as_model(kept)
    model = trainer.finish(best)
    if model is not best:  # the step after the epochs made another one
        on_best(model)
    trainer.close()
    if curves:
        curves.close()
    return model, history.best if settings.keep == "best" else history.epochs[-1], history.epochs


def forget_checkpoints(run: Path) -> None:
    """Deletes the checkpoints of a run that has ended well."""
    Checkpoints(run / CHECKPOINTS, 0).remove()


def _over(position: Position, history: History, settings: TrainingConfig, epochs: int) -> bool:
    if position.epoch > epochs:
        return True
    waited = position.epoch - 1 - history.best.epoch if settings.patience and history.epochs else 0
    return bool(settings.patience) and waited >= settings.patience


def _curves(run: Path | None, history: History, trainer: Trainer) -> Curves | None:
    if run is None or not trainer.in_epochs:
        return None
    from recsys.training.tensorboard import Curves

    return Curves(run / "tensorboard", history.epochs)


def _begin(
    checkpoints: Checkpoints | None, trainer: Trainer, run: Path | None, say: Callable[[str], None]
) -> tuple[Position, History, list[np.ndarray] | None]:
    """Where to begin: at the last good checkpoint, or anew."""
    path = run / "history.csv" if run else None
    snapshot, wrong = checkpoints.load() if checkpoints else (None, [])
    for text in wrong:
        say(f"a checkpoint cannot be used, the one before it is: {text}")
    if snapshot is None:
        return Position(), History(path), None
    say(
        f"going on at epoch {snapshot.position.epoch}"
        + f", round {snapshot.position.round}" * (snapshot.position.round > 0)
    )
    best = {name: array for name, array in snapshot.arrays.items() if name.startswith(_BEST)}
    kept = [best[f"{_BEST}{number}"] for number in range(len(best))] or None
    trainer.restore(snapshot)
    return snapshot.position, History(path, snapshot.history), kept


def _save(
    checkpoints: Checkpoints,
    position: Position,
    history: History,
    trainer: Trainer,
    kept: list[np.ndarray] | None,
) -> None:
    best = {f"{_BEST}{number}": array for number, array in enumerate(kept or [])}
    arrays, moments = trainer.state()
    trainer.saved(checkpoints.save(Snapshot(position, history.epochs, {**arrays, **best}, []), moments))
