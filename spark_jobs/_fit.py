"""The phase model_training: from prepared ratings to a saved model, whatever its family, orientation and strategy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.examples import Examples, Preprocessing
from recsys.data.orientation import ArraySource, rating_arrays
from recsys.data.partition import Part, partition
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.evaluation.evaluate import judge_factors
from recsys.evaluation.fold_in import fit_factors
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.scoring import share
from recsys.models.ease.gramian import gram
from recsys.recommend.recommender import save_factors, save_model, save_movies
from recsys.tensorflow_env import quiet_keras
from recsys.workers import warm_up
from spark_jobs.common import Run
from spark_jobs.run.memory_check import check_memory
from spark_jobs.run.messages import describe_epoch

_MOST_MOVIES = 20_000  # 3.2 GB a matrix of float64, of which the driver holds three


@dataclass(frozen=True)
class Fitted:
    """A trained model, the epoch that it ends with, and what it is evaluated on."""

    model: Any
    ended: Any
    shared: Any  # the model as workers get it
    parts: dict[int, Part]
    examples: Examples  # of the arrays that were trained, users' or movies'
    judged: Any  # of movies' arrays what is evaluated in their place, else None


def fit(run: Run, config: Config, dataset: Dataset, examples: Examples, preprocessing: Preprocessing) -> Fitted:
    """Trains, keeping the best model so far in the run directory; UserError where there is nothing to test on."""
    context = dataset.blocks.sparkSession.sparkContext
    if config.training.strategy == "elephas" and config.model.kind != "linear":
        warm_up(context)  # executors import TensorFlow while this process does
    quiet_keras()
    from recsys.models.build import build_model

    arrays, parts = arrange(config, dataset, examples)
    folder = run.path / "model"
    if config.model.linear != "none":
        _check_linear(config, arrays.examples.width)
    rows, ratings = parts[TRAIN].rows, int(dataset.statistics["ratings"])
    check_memory(config, context, arrays.examples.width, rows, ratings)
    save_movies(folder, dataset.items, preprocessing, config.model.loss, config.data.orientation)
    model = build_model(arrays.examples.width, config.model, config.seed)
    if config.model.kind == "linear":
        ended = _fit_linear_alone(run, model, config, arrays.examples, parts)
    else:
        ended = _train(run, model, config, arrays.examples, parts, dataset.statistics["density"])
        if config.model.linear != "none":
            # afterwards: it knows the training users too well, and would leave the deep part nothing to learn
            _fit_linear(model, parts[TRAIN], arrays.examples, config)
            save_model(folder, model)
    shared, judged, factors = to_judge(model, config, dataset, examples, arrays, parts)
    if factors is not None:
        save_factors(folder, factors)
    return Fitted(model, ended, shared, parts, arrays.examples, judged)


def arrange(config: Config, dataset: Dataset, examples: Examples) -> tuple[ArraySource, dict[int, Part]]:
    """The rating arrays that the model is of, and the parts of each role; UserError where there is no test."""
    arrays = rating_arrays(dataset, config.data, examples)
    parts = {
        role: partition(arrays.blocks, arrays.examples, role, config.training.workers, config.data.block_users)
        for role in (TRAIN, VALIDATION, TEST)
    }
    if not parts[TEST].rows:
        raise UserError("no user is left for the test: raise data.test_fraction, or widen the selection")
    return arrays, parts


def to_judge(
    model: Any, config: Config, dataset: Dataset, examples: Examples, arrays: ArraySource, parts: dict[int, Part]
) -> tuple[Any, Any, Any]:
    """(the model as workers get it, what is evaluated in its place or None, its factors or None): the latter two of a
    model of movies' arrays."""
    shared = share(dataset.blocks.sparkSession.sparkContext, model, config.model)
    if arrays.users is None:
        return shared, None, None
    factors = fit_factors(model, shared, parts, arrays.examples, dataset.blocks, examples, config)
    return shared, judge_factors(factors, arrays.users, dataset.blocks, examples), factors


def _train(run: Run, model: Any, config: Config, examples: Examples, parts: dict[int, Part], density: float) -> Any:
    """Epochs of the deep part, which knows nothing of a linear path beside it."""
    from recsys.models.build import build_model
    from recsys.training.loop import train

    deep = config.model.model_copy(update={"linear": "none"})
    trained = build_model(examples.width, deep, config.seed)
    ended = train(
        trained,
        config.model_copy(update={"model": deep}),
        examples,
        {role: parts[role] for role in (TRAIN, VALIDATION)},
        density,
        run.path,
        on_epoch=lambda progress: run.say(describe_epoch(progress, config.data.orientation)),
        on_best=lambda best: save_model(run.path / "model", best),
        say=run.say,
    )
    for layer in trained.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return ended


def _check_linear(config: Config, movies: int) -> None:
    """UserError where movies are too many for dense matrices."""
    if movies > _MOST_MOVIES:
        raise UserError(
            f"model.linear = {config.model.linear!r} inverts a matrix of {movies:,} x {movies:,} movies, at most "
            f"{_MOST_MOVIES:,} are allowed: narrow the selection by data.year_from and data.year_to, or set "
            "model.linear = 'none'"
        )


def _fit_linear(model: Any, part: Part, examples: Examples, config: Config) -> None:
    """Sets the model's linear path from the training users."""
    from recsys.models.ease.keras_path import set_item_weights
    from recsys.models.ease.solve import item_weights

    settings = config.model
    total, counts = gram(part, examples, settings.linear_user_power)
    weights = item_weights(total, counts, settings.linear_l2, settings.linear_dropout, settings.linear_movie_power)
    set_item_weights(model, weights * settings.linear_weight)


def _fit_linear_alone(run: Run, model: Any, config: Config, examples: Examples, parts: dict[int, Part]) -> Any:
    """A model without epochs; its history is the losses of the fit, as one epoch."""
    from recsys.training.history import Epoch, History

    started = time.monotonic()
    _fit_linear(model, parts[TRAIN], examples, config)
    save_model(run.path / "model", model)
    shared = share(parts[TRAIN].blocks.context, model, config.model)
    about = {TRAIN: config.training.loss_rows}
    measured = {role: parts[role] for role in (TRAIN, VALIDATION)}
    losses = mean_losses(measured, shared, examples, config.model.loss, about)
    shared.destroy()
    seconds = round(time.monotonic() - started, 3)
    ended = Epoch(1, losses[TRAIN].loss, losses[VALIDATION].loss, seconds, parts[TRAIN].rows, config.training.workers)
    History(run.path / "history.csv").append(ended)
    return ended
