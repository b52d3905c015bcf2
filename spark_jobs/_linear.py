"""The closed-form part of a model: weights from the training users' Gramian, without epochs."""

from __future__ import annotations

import time
from typing import Any

from recsys.config import Config
from recsys.errors import UserError
from recsys.evaluation import share
from recsys.ratings import TRAIN, VALIDATION, Examples, Part
from recsys.ratings.gram import gram

_MOST_MOVIES = 20_000  # 3.2 GB a matrix of float64, of which the driver holds three


def fit_linear(model: Any, part: Part, examples: Examples, config: Config) -> None:
    """Sets the model's linear path from the training users; UserError where movies are too many for dense matrices."""
    from recsys.models import item_weights, set_item_weights

    if examples.movies > _MOST_MOVIES:
        raise UserError(
            f"model.linear = {config.model.linear!r} inverts a matrix of {examples.movies:,} x {examples.movies:,} "
            f"movies, at most {_MOST_MOVIES:,} are allowed: narrow the selection by data.year_from and data.year_to, "
            "or set model.linear = 'none'"
        )
    settings = config.model
    total, counts = gram(part, examples, settings.linear_user_power)
    weights = item_weights(total, counts, settings.linear_l2, settings.linear_dropout, settings.linear_movie_power)
    set_item_weights(model, weights * settings.linear_weight)


def linear_epoch(model: Any, parts: dict[int, Part], examples: Examples, config: Config, started: float) -> Any:
    """What a model without epochs has for a history: the losses of the fit, as one epoch. `started` is monotonic."""
    from recsys.evaluation.loss import mean_losses
    from recsys.training import Epoch

    shared = share(parts[TRAIN].blocks.context, model)
    losses = mean_losses({role: parts[role] for role in (TRAIN, VALIDATION)}, shared, examples, config.model.loss)
    shared.destroy()
    seconds = round(time.monotonic() - started, 3)
    return Epoch(1, losses[TRAIN], losses[VALIDATION], seconds, parts[TRAIN].rows, config.training.workers)
