"""One trial: a point of the space laid over the settings, trained, and judged on the validation part."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.arranged import Arranged, arrange, scorer_on_workers, ship_own, train_on
from recsys.config.feedback import check_feedback, uses_weights
from recsys.config.load import as_tree, build_config, overlay, write_config
from recsys.config.run import Config
from recsys.config.search import made_of
from recsys.data.dataset import Dataset
from recsys.data.split import VALIDATION
from recsys.errors import UserError
from recsys.evaluation.figure import LOSS, Figure, measure_figure
from recsys.registries import FAMILIES
from recsys.training.base import Kept
from recsys.training.history import Epoch, History
from recsys.training.loop import Progress
from recsys.tuning.results import COMPLETE, FAILED, PRUNED

BeforeTraining = Callable[[Arranged, Config], None]


class Ended(BaseException):
    """The study ends in the middle of a trial, which is neither finished nor failed."""


class _Pruned(Exception):
    """The trial is not worth more epochs."""


@dataclass(frozen=True)
class Outcome:
    """What a trial came to. `best_epoch` is that of the lowest validation loss."""

    state: str
    value: float | None
    seconds: float
    reason: str = ""
    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    fatal: Exception | None = None  # what no other trial would survive either


class Workbench:
    """What all trials share: the data set arranged once for each use that models make of it.

    Args:
        dataset: split as the settings say.
        config: the settings that points are laid over.
        before_training: called with what is about to be trained on; may refuse.
    """

    def __init__(self, dataset: Dataset, config: Config, before_training: BeforeTraining | None = None) -> None:
        self.dataset, self.config = dataset, config
        self.before_training = before_training or (lambda arranged, config: None)
        self._tree = as_tree(config)
        self._arranged: dict[tuple[bool, float], Arranged] = {}
        self._kept: dict[tuple[bool, float], Kept] = {}
        self._shipped: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def config_at(self, point: Mapping[str, Any]) -> Config:
        """The settings with the point's; ConfigError where they do not go together."""
        config = build_config(overlay(self._tree, made_of(point)))
        check_feedback(config, self.dataset.preprocessing.feedback)
        return config

    def arranged(self, config: Config, sample: float = 1.0) -> Arranged:
        """The data set as the settings' model is trained on it, its modules where workers find them."""
        with self._lock:
            key = uses_weights(config), sample
            if key not in self._arranged:
                self._arranged[key] = arrange(self.dataset, config, sample)
            arranged = self._arranged[key]
            own = config.model.kind, config.model.loss_name
            if own not in self._shipped:
                ship_own(arranged.context, FAMILIES.get(config.model.kind), config)
                self._shipped.add(own)
            return arranged

    def kept(self, config: Config, sample: float = 1.0) -> Kept:
        """What trainers of the same data have made."""
        with self._lock:
            return self._kept.setdefault((uses_weights(config), sample), Kept())

    def close(self) -> None:
        """Frees what Spark keeps."""
        for kept in self._kept.values():
            kept.close()
        for arranged in self._arranged.values():
            arranged.unpersist()
        self._arranged.clear()


def run_trial(
    bench: Workbench,
    point: Mapping[str, Any],
    figure: Figure,
    sample: float = 1.0,
    *,
    folder: Path | None = None,
    prune: Callable[[Epoch], bool] = lambda epoch: False,
    ends: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Trains a model of the point and measures its figure. What goes wrong is the trial's reason, not an exception.

    Args:
        bench: what trials share.
        point: values of keys.
        figure: of the validation part.
        sample: the part of the training users that it is trained on.
        folder: where config.toml and history.csv are put.
        prune: called after each epoch; whether to give the trial up.
        ends: called after each epoch; whether the study ends: raises Ended.
    """
    clock, epochs = time.monotonic(), list[Epoch]()

    def after(progress: Progress) -> None:
        epochs.append(progress.epoch)
        if ends():
            raise Ended
        if prune(progress.epoch):
            raise _Pruned

    def outcome(state: str, value: float | None = None, reason: str = "", fatal: Exception | None = None) -> Outcome:
        best = _best_epoch(epochs)
        return Outcome(state, value, time.monotonic() - clock, reason, epochs, best.epoch if best else 0, fatal)

    try:
        config = bench.config_at(point)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            write_config(config, folder / "config.toml")
        arranged = bench.arranged(config, sample)
        FAMILIES.get(config.model.kind).check(config.model, arranged.examples.width)
        bench.before_training(arranged, config)
        trained = train_on(arranged, config, kept=bench.kept(config, sample), on_epoch=after)
        if figure.name == LOSS:
            value = trained.epoch.validation_loss if trained.epoch else math.nan
        else:
            with scorer_on_workers(trained.model, arranged.context) as shared:
                value = measure_figure(figure, arranged.parts[VALIDATION], shared, arranged.examples, config)
        if not math.isfinite(value):
            return outcome(FAILED, reason=f"{figure} is {value}")
        return outcome(COMPLETE, value)
    except _Pruned:
        last = epochs[-1]
        return outcome(PRUNED, reason=f"after epoch {last.epoch}: validation loss {last.validation_loss:.6g}")
    except Exception as error:
        return outcome(FAILED, reason=reason_of(error), fatal=error if _spark_is_gone(bench) else None)
    finally:
        if folder and epochs:
            History(folder / "history.csv", epochs)


def reason_of(error: BaseException) -> str:
    """Why it failed, in one line; of an error of a task its last line."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    text = str(error)
    if raised := re.search(r"^recsys\.errors\.\w+: (.*)", text, re.MULTILINE):
        return raised[1]
    causes = [line.strip() for line in text.splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b", line)]
    own = [line for line in causes if not line.startswith(("org.apache.spark", "py4j."))]
    first = next(iter(text.splitlines()), "")
    return (own[0] if own and "Traceback" in text else f"{type(error).__name__}: {first}")[:300]


def _best_epoch(epochs: list[Epoch]) -> Epoch | None:
    known = [epoch for epoch in epochs if not math.isnan(epoch.validation_loss)]
    return min(known, key=lambda epoch: epoch.validation_loss, default=epochs[-1] if epochs else None)


def _spark_is_gone(bench: Workbench) -> bool:
    """Whether Spark has ended, so that every other trial would fail as well."""
    try:
        context = bench.dataset.blocks.sparkSession.sparkContext
        return bool(context._jsc.sc().isStopped())
    except Exception:
        return True
