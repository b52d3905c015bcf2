"""What the training loop asks of a family, and local SGD of a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np

from recsys.config.run import Config
from recsys.data.preprocessing import Preprocessing
from recsys.models.base import ModelFamily
from recsys.registries import loss_named
from recsys.training.history import Seconds
from recsys.training.state import Moments, Snapshot

if TYPE_CHECKING:
    from recsys.data.arrays import Arrays
    from recsys.data.examples import Examples
    from recsys.data.partition import Part
    from recsys.losses.base import Loss

MadeT = TypeVar("MadeT", bound="Closing")
AfterRound = Callable[[int], None]
Step = tuple[float, float]  # the learning rate of a step, and how many epochs were done before (a fraction within one)


class Closing(Protocol):
    """What Spark keeps, until it is closed."""

    def close(self) -> None:
        """Frees it."""


class Kept:
    """What trainers make of one arranged data set, whatever the model's settings: made once for many models."""

    def __init__(self) -> None:
        self._made: dict[Any, Closing] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], MadeT]) -> MadeT:
        """What `make` has made for that key."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]  # type: ignore[return-value]

    def close(self) -> None:
        """Frees all of it."""
        for one in self._made.values():
            one.close()
        self._made.clear()


@dataclass(frozen=True)
class TrainingData:
    """What a family is trained on.

    Attributes:
        config: all settings; `config.model` is the family's own table.
        examples: which ratings play which role, and the width of a rating array.
        parts: blocks of rows, partitioned by worker, by role: TRAIN, VALIDATION, and TEST where its loss is measured.
        density: ratings per entry of the matrix.
        kept: what other trainings on the same data use as well; None: there are none.
    """

    config: Config
    examples: Examples
    parts: dict[int, Part]
    density: float
    kept: Kept | None = None

    @property
    def columns(self) -> int:
        """The width of a rating array."""
        return self.examples.width

    @property
    def preprocessing(self) -> Preprocessing:
        """How raw ratings become rating arrays."""
        return self.examples.preprocessing

    @property
    def loss(self) -> Loss:
        """The loss of the settings, of these rating arrays."""
        return loss_named(self.config.model.loss_name).of(self.preprocessing)


def no_checkpoint(round_done: int) -> None:
    """What is done after a round where no checkpoints are kept: nothing."""


class Trainer:
    """Trains one model, by epochs of rounds or in one closed-form step. Runs on the driver.

    A subclass gives `train_epoch`, `losses`, `weights` and `as_model`; `state` and `restore` where training can go on
    from a checkpoint.
    """

    epochs: int  # how many there are to train at most
    in_epochs: ClassVar[bool] = True  # False: solved in one step, without validation, checkpoints and curves
    rate_key: ClassVar[str] = "training.learning_rate"  # what to lower where the loss is no number any more
    ahead: bool = False  # whether several epochs are trained in one call: then each one's seconds are its share

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        """Trains an epoch.

        Args:
            epoch: from 1.
            first_round: the round of it to begin with, from 0.
            after_round: is called with the number of rounds done after each but the last: state may be saved there,
                and an exception of it, which is passed on, ends the epoch there.

        Returns:
            Where the seconds went.
        """
        raise NotImplementedError

    def begin(self, epoch: int) -> None:
        """That epoch will be trained next: it may begin now, beside `losses`, where there are cores to spare.

        Up to the call of `train_epoch` the weights and losses are those of the epoch before.
        """

    def beside(self) -> float:
        """Seconds of the last `losses` in which an epoch that had begun was trained."""
        return 0.0

    def losses(self) -> dict[int, float]:
        """The mean loss of the master model on the rows of each role."""
        raise NotImplementedError

    def weights(self) -> list[np.ndarray]:
        """The master model's weights as they are now."""
        raise NotImplementedError

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        """The model with these weights, or with those that it has now."""
        raise NotImplementedError

    def finish(self, model: ModelFamily) -> ModelFamily:
        """The model to keep, from the one with the weights to keep, when all epochs are over."""
        return model

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """What training goes on from: the master's arrays, and each worker's state."""
        return {}, iter(())

    def saved(self, checkpoint: Path) -> None:
        """`state` has been written there."""

    def restore(self, snapshot: Snapshot) -> None:
        """Goes on from there."""

    def close(self) -> None:
        """Frees what is kept in Spark."""


class Finishing(Trainer):
    """A trainer whose model goes through one more step when all epochs are over."""

    def __init__(self, trainer: Trainer, finish: Callable[[ModelFamily], ModelFamily]) -> None:
        self._trainer, self._finish = trainer, finish
        self.epochs = trainer.epochs

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        return self._trainer.train_epoch(epoch, first_round, after_round)

    def begin(self, epoch: int) -> None:
        self._trainer.begin(epoch)

    def beside(self) -> float:
        return self._trainer.beside()

    def losses(self) -> dict[int, float]:
        return self._trainer.losses()

    def weights(self) -> list[np.ndarray]:
        return self._trainer.weights()

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        return self._trainer.as_model(weights)

    def finish(self, model: ModelFamily) -> ModelFamily:
        return self._finish(self._trainer.finish(model))

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        return self._trainer.state()

    def saved(self, checkpoint: Path) -> None:
        self._trainer.saved(checkpoint)

    def restore(self, snapshot: Snapshot) -> None:
        self._trainer.restore(snapshot)

    def close(self) -> None:
        self._trainer.close()


class WorkerEngine(Protocol):
    """One worker's arithmetic in local SGD, loaded for each round."""

    step: int  # steps taken since the beginning

    def load(self, flat: np.ndarray, moments: np.ndarray | None, step: int) -> None:
        """Weights as one float32 vector, the optimizer's state of the round before (None: new), steps taken so far."""

    def load_weights(self, flat: np.ndarray) -> None:
        """Weights alone, to measure losses with."""

    def train(
        self, arrays: Arrays, rows: np.ndarray, batch_size: int, steps: Iterable[Step], generator: np.random.Generator
    ) -> int:
        """A step for each batch of those rows, in that order; how many rows were trained."""

    def measure(self, arrays: Arrays, rows: int = 0) -> tuple[float, float]:
        """(sum, weight) of the loss of all rows, or of so many, evenly taken."""

    def weights(self) -> np.ndarray:
        """The weights as one float32 vector."""

    def moments(self) -> np.ndarray:
        """The optimizer's state, float32; perhaps the engine's own memory, which its next step or load changes."""


class WorkerPlan(Protocol):
    """How a model is trained in every worker: hashable, picklable and small."""

    keeps_engine: ClassVar[bool]  # whether a process keeps its engine for later rounds: where it takes long to make

    def engine(self) -> Any:
        """A WorkerEngine."""

    def arrays(self, flat: np.ndarray) -> list[np.ndarray]:
        """The model's weights from the vector of them."""
