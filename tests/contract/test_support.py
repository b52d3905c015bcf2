"""What a family says that it supports, and how the rest is refused."""

from __future__ import annotations

import pytest
from kinds import EXAMPLE, every_kind, settings

from recsys.config.load import load_config
from recsys.config.training import TrainingConfig
from recsys.errors import ConfigError
from recsys.registries import FAMILIES, LOSSES


@every_kind
def test_what_it_does_not_support_is_refused(kind: str) -> None:
    supports = FAMILIES.get(kind).supports
    strategies = set(TrainingConfig.model_fields["strategy"].annotation.__args__) - set(supports.strategies)  # type: ignore[union-attr]
    default = TrainingConfig.model_fields["strategy"].default
    for strategy in strategies - ({default} if supports.closed_form else set()):
        with pytest.raises(ConfigError, match=r"training\.strategy"):
            settings(kind, f"training.strategy={strategy}")
    for orientation in {"user", "movie"} - set(supports.orientations):
        with pytest.raises(ConfigError, match=r"data\.orientation"):
            settings(kind, f"data.orientation={orientation}", "data.split=rating")
    if supports.losses is not None:
        for loss in set(LOSSES.names()) - set(supports.losses):
            with pytest.raises(ConfigError, match=r"model\.loss"):
                settings(kind, f"model.loss={loss}")


def test_an_unknown_kind_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"model\.kind = 'autoencoder': no such kind of model"):
        settings("autoencoder")


def test_a_sum_supports_no_more_than_its_models() -> None:
    sum_of = ["model.kind=sum", "model.first.kind=recvae", "model.first.hidden=[8]", "model.first.latent=4"]
    with pytest.raises(ConfigError, match=r"not trained by training\.strategy = 'elephas'"):
        load_config(assignments=[*sum_of, "training.strategy=elephas"])
    with pytest.raises(ConfigError, match=r"does not train with model\.loss = 'mse'"):
        load_config(assignments=[*sum_of, "model.first.loss=mse", "model.second.loss=mse"])


def test_what_workers_need_of_the_users_is_named_by_the_family() -> None:
    own = FAMILIES.get(EXAMPLE)
    first = ["model.first.kind=keras", "model.first.function=small_keras:build", "model.first.loss=multinomial"]
    config = load_config(assignments=["model.kind=sum", *first, f"model.second.kind={EXAMPLE}"])
    assert {own.__module__, "small_keras"} <= set(FAMILIES.get("sum").modules(config.model))
