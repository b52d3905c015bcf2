"""A data set as models are trained and tested on it: arranged once, for one training or for many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyspark import Broadcast, SparkContext
from pyspark.sql import DataFrame

from recsys.config.feedback import uses_weights
from recsys.config.run import Config
from recsys.data.dataset import Dataset
from recsys.data.examples import Examples
from recsys.data.orientation import rating_arrays
from recsys.data.partition import Part, partition
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.models.base import ModelFamily, Scorer
from recsys.registries import FAMILIES, LOSSES, METRICS
from recsys.training.base import Kept, TrainingData
from recsys.training.loop import Trained, train
from recsys.workers import preloading, ship_source


@dataclass(frozen=True)
class Arranged:
    """A data set as a model is trained and tested on it."""

    dataset: Dataset
    by_user: Examples  # how the users' arrays are split
    examples: Examples  # of the arrays that the model is of: users' or movies'
    parts: dict[int, Part]  # by role
    users: Any  # of movies' arrays the user ids in the order of the columns, else None
    arrays: DataFrame  # what the parts were cut from

    @property
    def context(self) -> SparkContext:
        """Spark's."""
        return self.dataset.blocks.sparkSession.sparkContext

    def unpersist(self) -> None:
        """Frees what Spark keeps of the partitions."""
        for part in self.parts.values():
            part.blocks.unpersist()
        if self.users is not None:
            self.arrays.unpersist()


def arrange(dataset: Dataset, config: Config, sample: float = 1.0) -> Arranged:
    """The rating arrays that the model is of, partitioned by role; UserError where there is no test.

    With a `sample` below 1 only about that part of the training users are there: of users' arrays alone.
    """
    dataset = dataset.split_as(config.data)
    by_user = replace(examples_of(dataset, config), sample=sample)
    arrays = rating_arrays(dataset, config.data, by_user)
    parts = {
        role: partition(arrays.blocks, arrays.examples, role, config.training.workers, config.data.block_users)
        for role in (TRAIN, VALIDATION, TEST)
    }
    if not parts[TEST].rows:
        raise UserError("no user is left for the test: raise data.test_fraction, or widen the selection")
    return Arranged(dataset, by_user, arrays.examples, parts, arrays.users, arrays.blocks)


def examples_of(dataset: Dataset, config: Config) -> Examples:
    """How the users' arrays are scaled and split; counts weigh where the model and its loss use weights."""
    scale = dataset.preprocessing if uses_weights(config) else dataset.preprocessing.without_weights()
    entries, moments = dataset.test_entries, dataset.split_as(config.data).moments
    return Examples.of(config, dataset.movies, scale, test_entries=entries, moments=moments)


def train_on(
    arranged: Arranged, config: Config, folder: Path | None = None, kept: Kept | None = None, **calls: Any
) -> Trained:
    """Trains on what is arranged already, and makes nothing of the model.

    Args:
        arranged: for settings with the same data, workers and use of weights.
        config: the settings.
        folder: of history.csv, curves and checkpoints; None writes nothing.
        kept: of this arranged data set, where many models are trained on it.
        **calls: as of `recsys.training.loop.train`.
    """
    family = FAMILIES.get(config.model.kind)
    roles = (TRAIN, VALIDATION, TEST) if config.training.test_loss else (TRAIN, VALIDATION)
    measured = {role: arranged.parts[role] for role in roles}
    data = TrainingData(config, arranged.examples, measured, arranged.dataset.statistics["density"], kept)
    return train(family.trainer(data), data, folder, **calls)


def ship_own(context: SparkContext, family: type[ModelFamily], config: Config) -> None:
    """Ships what is the user's own: the modules of the family, the loss and the metrics."""
    own: list[type] = [LOSSES.get(config.model.loss_name)]
    own += [METRICS.get(text.rpartition("@")[0]) for text in config.evaluation.metrics]
    for module in dict.fromkeys([*family.modules(config.model), *(entry.__module__ for entry in own)]):
        ship_source(context, module)


@contextmanager
def scorer_on_workers(family: ModelFamily, context: SparkContext) -> Iterator[Broadcast[Scorer]]:
    """The model's scorer where tasks find it, which have imported what it needs."""
    shared: Broadcast[Scorer] = context.broadcast(family.scorer())
    try:
        if family.supports_with(family.config).needs_tensorflow:
            with preloading(context):
                yield shared
        else:
            yield shared
    finally:
        shared.destroy()
