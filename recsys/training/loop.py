"""The training loop: epochs, the master model's losses, early stopping, a time limit, checkpoints, the kept weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recsys.config.training import TrainingConfig
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.models.base import ModelFamily
from recsys.training.base import Trainer, TrainingData
from recsys.training.checkpoint import Checkpoints
from recsys.training.history import Epoch, History, Seconds
from recsys.training.state import Position, Snapshot
from recsys.training.time_limit import TimeLimit

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
        validation = f"validation {epoch.validation_loss:.6g}  "
        note = "  best" if best is epoch else f"  best {best.validation_loss:.6g} at {best.epoch}"
        if math.isnan(epoch.validation_loss):  # no user or rating is kept for it
            validation = note = ""
        test = "" if epoch.test_loss is None else f"test {epoch.test_loss:.6g}  "
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return (
            f"  epoch {epoch.epoch:>{len(str(self.epochs))}}/{self.epochs}  train {epoch.train_loss:.6g}  "
            f"{validation}{test}{self.users_per_second:,.0f} {self.orientation}s/s  "
            f"{minutes}:{seconds:02d} left{note}"
        )


@dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes:
        model: the one that is kept.
        epoch: the epoch that it is of; None where training was stopped within the first.
        history: all epochs.
        stopped: what ended training early, and after which epoch; None where it came to its end.
    """

    model: ModelFamily
    epoch: Epoch | None
    history: list[Epoch]
    stopped: str | None = None


class _Stopped(Exception):
    """Ends an epoch between two rounds."""

    def __init__(self, rounds: int) -> None:
        super().__init__(rounds)
        self.rounds = rounds


def train(
    trainer: Trainer,
    data: TrainingData,
    run: Path | None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
    on_best: Callable[[ModelFamily], None] = lambda model: None,
    say: Callable[[str], None] = lambda text: None,
    limit: TimeLimit | None = None,
) -> Trained:
    """Trains until the epochs are over, early stopping included, or the time limit is near.

    Args:
        trainer: of the model's family.
        data: what it trains on. Test data, where they are there, are measured alone.
        run: where history.csv, TensorBoard files and checkpoints lie. Where there is a checkpoint, training goes on
            from it. None keeps nothing on disk.
        on_epoch: called after every epoch.
        on_best: called with the model that would be kept if training ended now, at most once in a few seconds, before
            each checkpoint and at the end.
        say: gets what is noteworthy beside that.
        limit: of training.max_seconds, counting already; by default it is counted from now.

    Raises:
        UserError: no rows are left for validation, or the loss is no number any more.
    """
    try:
        return _train(trainer, data, run, on_epoch, on_best, say, limit)
    except Exception:
        with suppress(Exception):  # the first error counts
            trainer.close()  # what called may go on with another training
        raise


def _train(
    trainer: Trainer,
    data: TrainingData,
    run: Path | None,
    on_epoch: Callable[[Progress], None],
    on_best: Callable[[ModelFamily], None],
    say: Callable[[str], None],
    limit: TimeLimit | None,
) -> Trained:
    settings = data.config.training
    if trainer.in_epochs and not data.parts[VALIDATION].rows and data.config.data.validation_fraction:
        raise UserError(
            "no user is left for validation, by which the best epoch is chosen: raise data.validation_fraction = "
            f"{data.config.data.validation_fraction:g}, or widen the selection"
        )
    if settings.max_seconds and not trainer.in_epochs:
        say("this model is solved in one step: training.max_seconds does not stop it")
    time_limit = limit or TimeLimit(settings.max_seconds)
    checkpoints = Checkpoints(run / CHECKPOINTS, settings.checkpoint_seconds) if run and trainer.in_epochs else None
    position, history, kept = _begin(checkpoints, trainer, run, TEST in data.parts, say)
    curves = _curves(run, history, trainer)
    rows = data.parts[TRAIN].rows
    began, before = time.monotonic(), len(history.epochs)
    stopped: str | None = None
    handed_on, waiting = -math.inf, False  # when a model was, and whether there is a better one
    beside = 0.0  # for how long the epoch was trained while the losses of the one before were measured

    def hand_on() -> None:
        nonlocal handed_on, waiting
        if waiting:
            on_best(trainer.as_model(kept))
            handed_on, waiting = time.monotonic(), False

    time_limit.start()
    while not stopped and not _over(position, history, settings, trainer.epochs):
        number = position.epoch
        started = time.monotonic() - beside

        def between_rounds(rounds_done: int, number: int = number, kept: list[np.ndarray] | None = kept) -> None:
            stop = time_limit.ends_before_next(number)
            if checkpoints and (stop or checkpoints.due):
                hand_on()
                _save(checkpoints, Position(number, rounds_done), history, trainer, kept)
            if stop:
                raise _Stopped(rounds_done)

        try:
            split = trainer.train_epoch(number, position.round, between_rounds)
        except _Stopped as at:
            stopped = _stopped(settings, f"in epoch {number} of {trainer.epochs}, after round {at.rounds}")
            break
        trained = time.monotonic()
        save = checkpoints is not None and checkpoints.due
        begun = not save and not settings.max_seconds and _goes_on(number, history, settings, trainer.epochs)
        if begun:
            trainer.begin(number + 1)
        losses = trainer.losses()
        beside = trainer.beside() if begun else 0.0
        split += Seconds(validation=time.monotonic() - trained - beside)
        seconds = split.total if trainer.ahead else time.monotonic() - started - beside
        test_loss = losses[TEST] if TEST in data.parts else None
        epoch = Epoch(
            number, losses[TRAIN], losses[VALIDATION], round(seconds, 3), rows, settings.workers, split, test_loss
        )
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
        if time_limit.ends_before_next(number) and not over:
            stopped = _stopped(settings, f"after epoch {number} of {trainer.epochs}")
        if checkpoints and (stopped or save or (over and checkpoints.any)):
            hand_on()
            _save(checkpoints, position, history, trainer, kept)
        done = len(history.epochs) - before
        left = time_limit.left((time.monotonic() - began) / done * (trainer.epochs - number))
        speed = rows / max(seconds, 1e-9)
        on_epoch(Progress(epoch, trainer.epochs, history.best, speed, left, data.config.data.orientation))
    hand_on()
    best = trainer.as_model(kept)
    model = trainer.finish(best)
    if model is not best or not history.epochs:  # the step after the epochs made another one, or no epoch was finished
        on_best(model)
    trainer.close()
    if curves:
        curves.close()
    return Trained(model, _epoch_kept(history, settings), history.epochs, stopped)


def forget_checkpoints(run: Path) -> None:
    """Deletes the checkpoints of a run that has ended well."""
    Checkpoints(run / CHECKPOINTS, 0).remove()


def _stopped(settings: TrainingConfig, when: str) -> str:
    return f"training.max_seconds = {settings.max_seconds:g}: {when}"


def _epoch_kept(history: History, settings: TrainingConfig) -> Epoch | None:
    if not history.epochs:
        return None
    return history.best if settings.keep == "best" else history.epochs[-1]


def _over(position: Position, history: History, settings: TrainingConfig, epochs: int) -> bool:
    if position.epoch > epochs:
        return True
    waited = position.epoch - 1 - history.best.epoch if settings.patience and history.epochs else 0
    return bool(settings.patience) and waited >= settings.patience


def _goes_on(epoch: int, history: History, settings: TrainingConfig, epochs: int) -> bool:
    """Whether another epoch follows that one, whatever its losses are."""
    best = history.best.epoch if history.epochs else epoch
    return epoch < epochs and not (settings.patience and epoch - best >= settings.patience)


def _curves(run: Path | None, history: History, trainer: Trainer) -> Curves | None:
    if run is None or not trainer.in_epochs:
        return None
    from recsys.training.tensorboard import Curves

    return Curves(run / "tensorboard", history.epochs)


def _begin(
    checkpoints: Checkpoints | None, trainer: Trainer, run: Path | None, test_loss: bool, say: Callable[[str], None]
) -> tuple[Position, History, list[np.ndarray] | None]:
    """Where to begin: at the last good checkpoint, or anew."""
    path = run / "history.csv" if run else None
    snapshot, wrong = checkpoints.load() if checkpoints else (None, [])
    for text in wrong:
        say(f"a checkpoint cannot be used, the one before it is: {text}")
    if snapshot is None:
        return Position(), History(path, test_loss=test_loss), None
    say(
        f"going on at epoch {snapshot.position.epoch}"
        + f", round {snapshot.position.round}" * (snapshot.position.round > 0)
    )
    best = {name: array for name, array in snapshot.arrays.items() if name.startswith(_BEST)}
    kept = [best[f"{_BEST}{number}"] for number in range(len(best))] or None
    trainer.restore(snapshot)
    return snapshot.position, History(path, snapshot.history, test_loss), kept


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
