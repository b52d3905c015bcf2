"""Training and evaluation in one call each: what jobs, notebooks and examples use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from recsys.arranged import Arranged, arrange, scorer_on_workers, ship_own, train_on
from recsys.columns import MOVIE_ID
from recsys.config.feedback import check_feedback, uses_weights
from recsys.config.run import Config
from recsys.data.blocks import block_from_row
from recsys.data.dataset import Dataset
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST
from recsys.data.store import FREE_SETTINGS
from recsys.errors import ConfigError, UserError
from recsys.evaluation.evaluate import ROLES, Judged, judge_factors
from recsys.evaluation.evaluate import evaluate as evaluate_parts
from recsys.evaluation.fold_in import fit_factors
from recsys.evaluation.protocol import with_unjudged
from recsys.models.base import ModelFamily, Scorer
from recsys.models.fold_in import FoldIn
from recsys.recommend.items import Items
from recsys.recommend.recommender import Recommender
from recsys.recommend.saved import save_fold_in, save_items
from recsys.registries import FAMILIES
from recsys.training.history import Epoch
from recsys.training.loop import Progress
from recsys.training.time_limit import TimeLimit
from recsys.workers import warm_up

__all__ = ["Model", "Progress", "evaluate", "fit"]

# settings of a data set that change what a model learns
_NOT_SEEN = ("positive_from", "year_from", "year_to", "sample_ratings", "feedback", "weights", "weight_power")


@dataclass
class Model:
    """A trained model with its settings and movies.

    Attributes:
        family: the model.
        config: all settings that it was trained with.
        items: its movies, as in items.parquet.
        epoch: the epoch that it is of; None for a model that was loaded, or stopped within its first epoch.
        history: all epochs.
        fold_in: what scores users by a model of movies' arrays, else None.
        stopped: what ended training early, such as "training.max_seconds = 60: after epoch 12 of 50"; else None.
    """

    family: ModelFamily
    config: Config
    items: pd.DataFrame
    epoch: Epoch | None = None
    history: list[Epoch] = field(default_factory=list)
    fold_in: FoldIn | None = None
    stopped: str | None = None
    _arranged: Arranged | None = None
    _judged: Judged | None = None

    @property
    def recommender(self) -> Recommender:
        """Recommends to anybody."""
        scorer: Scorer = self.fold_in or self.family.scorer()
        return Recommender(scorer, Items.of(self.items), self.config.model.loss_name)

    def save(self, directory: str | Path) -> None:
        """Writes the model, so that `recsys.load_recommender(directory)` reads it without Spark and TensorFlow."""
        config = self.config
        save_items(directory, self.items, self.family.preprocessing, config.model.loss_name, config.data.orientation)
        self.family.save(Path(directory))
        if self.fold_in is not None:
            save_fold_in(directory, self.family, self.fold_in)


def fit(
    dataset: Dataset,
    config: Config,
    *,
    output: str | Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    before_training: Callable[[Arranged, Config], None] | None = None,
    arranged: Arranged | None = None,
) -> Model:
    """Trains the model that the settings describe.

    Args:
        dataset: the ratings.
        config: the settings, as `recsys.load_config` gives them. Those of the data are the data set's own; how it is
            split may be set here where the data set was made without it.
        output: a folder for history.csv, checkpoints (training goes on from one that is there, also after
            training.max_seconds has stopped it), and in `model` the best model so far. Without it nothing is written.
        on_progress: called after every epoch.
        on_message: gets what is noteworthy beside that.
        before_training: called with what is about to be trained on; may refuse.
        arranged: what `arrange` made of this data set for settings with the same data, workers and use of weights:
            many models can be trained on it, one after the other or at once.

    Raises:
        ConfigError: the settings do not fit the data set.
        UserError: there is nothing to train, validate or test on, or training diverged.
    """
    limit = TimeLimit(config.training.max_seconds)
    dataset, config = matched(dataset, config)
    say = on_message or (lambda text: None)
    if dataset.preprocessing.weighted and not uses_weights(config):
        say(
            f"data.weights = {config.data.weights!r} has no effect: model.kind = {config.model.kind!r} with "
            f"model.loss = {config.model.loss_name!r} takes all counts alike"
        )
    family = FAMILIES.get(config.model.kind)
    context = dataset.blocks.sparkSession.sparkContext
    ship_own(context, family, config)
    if config.training.strategy == "elephas" and not family.supports.closed_form:
        warm_up(context)  # executors import TensorFlow while this process does
    arranged = arranged or arrange(dataset, config)
    family.check(config.model, arranged.examples.width)
    if before_training:
        before_training(arranged, config)
    folder = Path(output) if output else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        loss, orientation = config.model.loss_name, config.data.orientation
        save_items(folder / "model", dataset.items, arranged.examples.preprocessing, loss, orientation)
    trained = train_on(
        arranged,
        config,
        folder,
        on_epoch=on_progress or (lambda progress: None),
        on_best=(lambda model: model.save(folder / "model")) if folder else (lambda model: None),
        say=say,
        limit=limit,
    )
    model = Model(
        trained.model,
        config,
        dataset.items,
        trained.epoch,
        trained.history,
        stopped=trained.stopped,
        _arranged=arranged,
    )
    _fit_fold_in(model, arranged)
    if folder and model.fold_in is not None:
        save_fold_in(folder / "model", model.family, model.fold_in)
    if folder:
        _export(model.family, folder / "model", arranged)
    return model


def evaluate(model: Model, dataset: Dataset, role: str = "test") -> dict[str, Any]:
    """Every figure of a model with its protocol and its count, beside baselines: what metrics.json says.

    Args:
        model: from `fit`, or `load`ed with its settings.
        dataset: the ratings, the same movies as the model's.
        role: "test" or "validation": on whose users or ratings.

    Raises:
        UserError: the data set has other movies than the model, or ratings of another scale.
    """
    if role not in ROLES:
        raise ConfigError(f"role = {role!r}: there are {', '.join(map(repr, ROLES))}")
    ours, theirs = model.items["movie_id"].tolist(), dataset.items["movie_id"].tolist()
    if ours != theirs:
        raise UserError(
            f"the model was trained on other data: it has {len(ours):,} movies, the data {len(theirs):,}, or others; "
            "give the data that it was trained on"
        )
    check_feedback(model.config, dataset.preprocessing.feedback)
    arranged = model._arranged
    dataset = dataset.split_as(model.config.data)
    if arranged is None or arranged.dataset is not dataset:
        arranged = arrange(dataset, model.config)
    _check_scale(model.family.preprocessing, arranged.examples.preprocessing)
    ship_own(arranged.context, type(model.family), model.config)
    with scorer_on_workers(model.family, arranged.context) as shared:
        judged = None
        if arranged.users is not None:
            if role != "test":
                raise ConfigError(
                    "role = 'validation' is for users' arrays: the fold-in is chosen on validation ratings"
                )
            if model._judged is None or model._arranged is not arranged:
                _fit_fold_in(model, arranged)
            judged = model._judged
        metrics = evaluate_parts(arranged.parts, shared, arranged.examples, model.config, judged, ROLES[role])
        return with_unjudged(metrics, dataset.statistics.get("time_split"), role)


def _check_scale(ours: Preprocessing, theirs: Preprocessing) -> None:
    """UserError where a model of ratings would take the data's for what they are not."""
    scales = [(one.rating_min, one.rating_max, one.lowest_value) for one in (ours, theirs)]
    if ours.likes or theirs.likes or scales[0] == scales[1]:
        return
    raise UserError(
        f"the model was trained on ratings from {ours.rating_min:g} to {ours.rating_max:g}, those of the data are from "
        f"{theirs.rating_min:g} to {theirs.rating_max:g}: set data.rating_min and data.rating_max as in training, or "
        "train again"
    )


def matched(dataset: Dataset, config: Config) -> tuple[Dataset, Config]:
    """The data set split as the settings say, and the settings with the data set's own; ConfigError as of `fit`."""
    config = settings_for(dataset, config)
    dataset = dataset if config.data == dataset.data else dataset.with_settings(**_free(config))
    check_feedback(config, dataset.preprocessing.feedback)
    return dataset, config


def settings_for(dataset: Dataset, config: Config) -> Config:
    """The settings with the data set's own. ConfigError where the two say different things of what is learned."""
    asked = config.data
    for key in _NOT_SEEN:
        wanted, has = getattr(asked, key), getattr(dataset.data, key)
        if key == "feedback":
            wanted, has = None if wanted == "auto" else wanted, dataset.preprocessing.feedback
        if key in asked.model_fields_set and wanted is not None and wanted != has:
            raise ConfigError(
                f"data.{key} = {wanted!r} in the settings, {has!r} in the data set: make the data set with "
                f"{key}={wanted!r}, or leave it out of the settings"
            )
    chosen = {key: value for key, value in _free(config).items() if key not in dataset.data.model_fields_set}
    if not chosen:
        return config.model_copy(update={"data": dataset.data})
    return config.model_copy(update={"data": dataset.data.model_copy(update=chosen)})


def _free(config: Config) -> dict[str, Any]:
    """The settings of how data are split that somebody set."""
    return {
        key: getattr(config.data, key)
        for key in sorted(FREE_SETTINGS & config.data.model_fields_set)
        if key not in ("data_dir", "max_rejected")
    }


def _fit_fold_in(model: Model, arranged: Arranged) -> None:
    """Of a model of movies' arrays: what scores users."""
    if arranged.users is None:
        return
    dataset = arranged.dataset
    with scorer_on_workers(model.family, arranged.context) as shared:
        factors = fit_factors(shared, arranged.parts, arranged.examples, dataset.blocks, arranged.by_user)
    model.fold_in = FoldIn.of(factors, arranged.by_user.preprocessing)
    model._judged = judge_factors(factors, arranged.users, dataset.blocks, arranged.by_user)


def _export(family: ModelFamily, folder: Path, arranged: Arranged) -> None:
    blocks, examples = arranged.dataset.blocks, arranged.by_user

    def each_user(what: Callable[[csr_matrix], np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        def run(row: Any) -> tuple[np.ndarray, np.ndarray]:
            block = block_from_row(row)
            known = examples.arrays(block, TEST)[0] if examples.by_rating else block.matrix(examples.width)
            return block.users, what(known)

        yield from blocks.rdd.map(run).toLocalIterator(prefetchPartitions=True)

    family.export(folder, arranged.dataset.items[MOVIE_ID].to_numpy(), each_user)
