"""What the training loop does beside training: how often the best model is handed on, and whose seconds count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.training import loop
from recsys.training.base import AfterRound, Trainer, TrainingData, no_checkpoint
from recsys.training.history import Seconds, read_history


class Falling(Trainer):
    """Its validation loss is what it is told; its model is the number of epochs trained."""

    def __init__(self, losses: list[float], ahead: bool = False, broken: int = 0, beside: float = 0.0) -> None:
        self.epochs, self._losses, self.ahead, self._broken = len(losses), losses, ahead, broken
        self._epoch, self._beside, self.begun = 0, beside, list[int]()

    def begin(self, epoch: int) -> None:
        self.begun.append(epoch)

    def beside(self) -> float:
        return self._beside

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        self._epoch = epoch
        return Seconds(compute=2.0, reduce=0.5)

    def losses(self) -> dict[int, float]:
        return {
            TRAIN: float("nan") if self._epoch == self._broken else 1.0,
            VALIDATION: self._losses[self._epoch - 1],
        }

    def weights(self) -> list[np.ndarray]:
        return [np.array(self._epoch)]

    def as_model(self, weights: list[np.ndarray] | None) -> Any:
        assert weights is not None
        return int(weights[0])


def data_of(epochs: int, **training: Any) -> TrainingData:
    config = build_config({"data": {"dataset": "ml-1m"}, "training": {"epochs": epochs, **training}})
    part = Part(None, 10, 1)  # type: ignore[arg-type]
    return TrainingData(config, Examples.of(config, 3, Preprocessing(1, 5)), {TRAIN: part, VALIDATION: part}, 0.1)


def run(trainer: Trainer, folder: Path | None = None, **training: Any) -> list[Any]:
    """The models that were handed on."""
    handed: list[Any] = []
    loop.train(trainer, data_of(trainer.epochs, **training), folder, on_best=handed.append)
    return handed


def test_better_epochs_in_quick_succession_hand_on_the_first_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [0.9, 0.8, 0.7, 0.6, 0.65]
    assert run(Falling(losses)) == [1, 4]
    monkeypatch.setattr(loop, "_SAVE_SECONDS", 0)
    assert run(Falling(losses)) == [1, 2, 3, 4]


def test_the_best_model_is_handed_on_before_a_checkpoint_of_it(tmp_path: Path) -> None:
    assert run(Falling([0.9, 0.8, 0.85]), tmp_path, checkpoint_seconds=0) == [1, 2]


def test_what_was_trained_before_it_diverged_is_handed_on() -> None:
    handed: list[Any] = []
    trainer = Falling([0.9, 0.8, 0.7], broken=3)
    with pytest.raises(UserError, match="the training loss of epoch 3 is nan"):
        loop.train(trainer, data_of(3), None, on_best=handed.append)
    assert handed == [1, 2]


@pytest.mark.parametrize(("ahead", "least"), [(True, 2.5), (False, 0.0)])
def test_epochs_that_were_trained_ahead_have_their_share_of_the_seconds(
    ahead: bool, least: float, tmp_path: Path
) -> None:
    run(Falling([0.9, 0.8], ahead), tmp_path)
    assert [one.seconds for one in read_history(tmp_path / "history.csv")] == pytest.approx([least] * 2, abs=0.2)


@pytest.mark.parametrize(
    ("losses", "training", "begun"),
    [
        ([0.9, 0.8, 0.7], {}, [2, 3]),
        ([0.9, 0.8, 0.7], {"checkpoint_seconds": 0}, []),  # what is saved is the state after an epoch
        ([0.9, 0.8, 0.7], {"max_seconds": 1000}, []),  # it may end there
        ([0.9, 0.8, 0.85, 0.84, 0.86], {"patience": 2}, [2, 3, 4]),  # the fourth may be, and is, the last
        ([0.9, 0.8, 0.7], {"patience": 1}, [2]),  # the first is the best so far; each later one may be the last
    ],
)
def test_an_epoch_begins_beside_the_losses_where_it_is_certain_to_follow(
    losses: list[float], training: dict[str, Any], begun: list[int], tmp_path: Path
) -> None:
    trainer = Falling(losses)
    run(trainer, tmp_path, **training)
    assert trainer.begun == begun


def test_what_was_trained_beside_the_losses_counts_once(tmp_path: Path) -> None:
    run(Falling([0.9, 0.8, 0.7], beside=0.25), tmp_path)
    first, second, third = (one.seconds for one in read_history(tmp_path / "history.csv"))
    assert first + second + third == pytest.approx(0.0, abs=0.2)  # nothing took any time
    assert (first, second, third) == pytest.approx((-0.25, 0.0, 0.25), abs=0.1)
