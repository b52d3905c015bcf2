"""What goes with ratings, likes and counts, before the data are read and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys.config import Config
from recsys.config.feedback import check_feedback, known_feedback, uses_weights
from recsys.config.load import build_config, build_data
from recsys.errors import ConfigError


def settings_of(model: dict[str, Any] | None = None, evaluation: dict[str, Any] | None = None, **data: Any) -> Config:
    return build_config({"data": {"ratings": "r", **data}, "model": model or {}, "evaluation": evaluation or {}})


NEIGHBOURS = "examples/add_a_model.py:ItemNeighbours"
MASKED, LIKELIHOOD = {"loss": "masked_mse"}, {"loss": "multinomial"}


@pytest.mark.parametrize("feedback", ["likes", "counts"])
def test_a_loss_of_ratings_needs_ratings(feedback: str) -> None:
    remedy = (
        f"model.loss = 'masked_mse' predicts ratings, and the data hold {feedback}: set model.loss = 'multinomial', or "
        "name the column of ratings in data.columns.rating"
    )
    with pytest.raises(ConfigError) as before:
        settings_of(MASKED, feedback=feedback)
    assert remedy in str(before.value)
    with pytest.raises(ConfigError) as afterwards:
        check_feedback(settings_of(MASKED), feedback)
    assert str(afterwards.value) == remedy
    check_feedback(settings_of(MASKED), "ratings")
    check_feedback(settings_of(LIKELIHOOD), feedback)
    check_feedback(settings_of({"loss": "mse"}), feedback)  # of likes against everything else
    assert settings_of(LIKELIHOOD, feedback=feedback).data.feedback == feedback


def test_a_likelihood_takes_ratings_too() -> None:
    check_feedback(settings_of(LIKELIHOOD), "ratings")


@pytest.mark.parametrize("feedback", ["likes", "counts"])
def test_movies_arrays_need_ratings(feedback: str) -> None:
    config = settings_of(MASKED, orientation="movie", split="rating")
    with pytest.raises(
        ConfigError, match=rf"orientation = 'movie' predicts ratings, and the data hold {feedback}: drop"
    ):
        check_feedback(config, feedback)
    check_feedback(config, "ratings")


def test_likes_are_all_alike_and_counts_are_not() -> None:
    config = settings_of(LIKELIHOOD, {"relevant_from": 3})
    with pytest.raises(ConfigError, match=r"evaluation\.relevant_from has no meaning for likes, which are all alike"):
        check_feedback(config, "likes")
    check_feedback(config, "counts")
    check_feedback(config, "ratings")


@pytest.mark.parametrize("feedback", ["ratings", "likes"])
def test_only_counts_weigh(feedback: str) -> None:
    remedy = rf"data\.weights = 'log' weighs counts, and the data hold {feedback}: drop it, or set data\.feedback"
    with pytest.raises(ConfigError, match=remedy):
        settings_of(LIKELIHOOD, feedback=feedback, weights="log")
    with pytest.raises(ConfigError, match=remedy):
        check_feedback(settings_of(LIKELIHOOD, weights="log"), feedback)
    check_feedback(settings_of(LIKELIHOOD, weights="log"), "counts")
    with pytest.raises(ConfigError, match="the data hold ratings"):
        build_config({"data": {"dataset": "ml-1m", "weights": "log"}})


def test_all_that_is_wrong_is_said_at_once() -> None:
    config = settings_of(MASKED, {"relevant_from": 3}, weights="log")
    with pytest.raises(ConfigError) as caught:
        check_feedback(config, "likes")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("data", "known"),
    [
        ({"ratings": "r"}, None),
        ({"ratings": "r", "feedback": "likes"}, "likes"),
        ({"ratings": "r", "columns": {"rating": "none"}}, "likes"),
        ({"ratings": "r", "columns": {"rating": "none"}, "duplicates": "sum"}, "counts"),
        ({"ratings": "r", "columns": {"rating": "none"}, "feedback": "counts"}, "counts"),
        ({"dataset": "ml-1m"}, "ratings"),
        ({"dataset": "synthetic", "feedback": "likes"}, "likes"),
    ],
)
def test_what_the_settings_say_of_the_rows(data: dict[str, Any], known: str | None) -> None:
    assert known_feedback(build_data(data)) == known


@pytest.mark.parametrize(
    ("model", "uses"),
    [
        ({"kind": "dae", "loss": "multinomial"}, True),
        ({"kind": "dae", "loss": "mse"}, False),
        ({"kind": "dae", "loss": "masked_mse"}, False),
        ({"kind": "vae"}, True),
        ({"kind": "recvae"}, True),
        ({"kind": "linear"}, True),
        ({"kind": "keras", "function": "a:b", "loss": "multinomial"}, True),
        ({"kind": "sum", "first": {"loss": "multinomial"}}, True),
        ({"kind": "sum", "first": {"loss": "multinomial"}, "second": {"kind": NEIGHBOURS}}, False),
        ({"kind": "dae", "loss": "examples/add_a_loss.py:WeightedMse", "output_activation": "linear"}, False),
    ],
)  # fmt: skip
def test_who_uses_weights(model: dict[str, Any], uses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert uses_weights(settings_of(model)) is uses
