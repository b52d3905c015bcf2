"""What goes with ratings, with likes and with counts: checked in the settings, and again once the data are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recsys.config.data import ABSENT, DataConfig
from recsys.config.table import Complaint
from recsys.errors import ConfigError
from recsys.registries import FAMILIES, loss_named

if TYPE_CHECKING:
    from recsys.config.run import Config

RATINGS, LIKES, COUNTS = "ratings", "likes", "counts"
_OF_STARS = ("synthetic", "ml-")  # generated data and MovieLens


def known_feedback(data: DataConfig) -> str | None:
    """What the rows are (RATINGS, LIKES or COUNTS), where the settings say it; None where only the data can."""
    if data.feedback != "auto":
        return data.feedback
    if data.dataset is not None and data.ratings is None:
        # data sets of other shapes may hold likes or counts
        return RATINGS if data.dataset.startswith(_OF_STARS) else None
    if data.columns.rating == ABSENT:
        return COUNTS if data.duplicates == "sum" else LIKES
    return None


def uses_weights(config: Config) -> bool:
    """Whether the model and its loss use the weights of counts; all others learn from counts that weigh alike."""
    supports = FAMILIES.get(config.model.kind).supports_with(config.model)
    return supports.weights_itself or (supports.weights and loss_named(config.model.loss_name).uses_weights)


def feedback_complaints(config: Config, feedback: str | None) -> Iterator[Complaint]:
    """What of the settings does not go with such rows.

    Args:
        config: all settings.
        feedback: RATINGS, LIKES or COUNTS; None: not known yet.
    """
    data = config.data
    yield from _of_the_loss(config, feedback)
    if feedback in (LIKES, COUNTS):
        if data.orientation == "movie":
            text = f"data.orientation = 'movie' predicts ratings, and the data hold {feedback}: drop it"
            yield ("data.orientation", "data.feedback"), text
        if feedback == LIKES and config.evaluation.relevant_from is not None:
            text = "evaluation.relevant_from has no meaning for likes, which are all alike: drop it"
            yield ("evaluation.relevant_from", "data.feedback"), text
    if feedback in (RATINGS, LIKES) and data.weights != "none":
        text = (
            f"data.weights = {data.weights!r} weighs counts, and the data hold {feedback}: drop it, or set "
            "data.feedback = 'counts'"
        )
        yield ("data.weights", "data.feedback"), text


def check_feedback(config: Config, feedback: str) -> None:
    """Raises ConfigError, with the remedies, where the settings do not go with the rows that were read."""
    complaints = [text for _, text in feedback_complaints(config, feedback)]
    if complaints:
        raise ConfigError("\n".join(complaints))


def _of_the_loss(config: Config, feedback: str | None) -> Iterator[Complaint]:
    loss = loss_named(config.model.loss_name)
    if loss.learns_likes:
        return
    name = f"model.loss = {loss.name!r}"
    if config.data.positive_from is not None:
        text = (
            f"{name} learns nothing where data.positive_from makes every rating 1: drop data.positive_from, or use "
            "'multinomial'"
        )
        yield ("model.loss", "data.positive_from"), text
    elif feedback in (LIKES, COUNTS):
        text = (
            f"{name} predicts ratings, and the data hold {feedback}: set model.loss = 'multinomial', or name the "
            "column of ratings in data.columns.rating"
        )
        yield ("model.loss", "data.feedback"), text
