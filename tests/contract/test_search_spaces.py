"""Every family publishes where to look for its best settings: a space that its settings accept, about those we use."""

from __future__ import annotations

from typing import Any

import pytest
from kinds import SMALL

from recsys.conf_folder import EXPERIMENTS
from recsys.config import Config
from recsys.config.load import as_tree, build_config, load_config, overlay
from recsys.config.search import Range, check_space, made_of, space_of
from recsys.registries import FAMILIES

AT_BOUND = 0.05


def settings_of(kind: str) -> Config:
    return load_config([], [f"model.kind={kind}", *SMALL.get(kind, [])])


@pytest.mark.parametrize("kind", FAMILIES.names())
def test_every_family_has_a_space_whose_values_its_settings_accept(kind: str) -> None:
    config = settings_of(kind)
    space = space_of(config)
    check_space(space, config)
    for end in (0, -1):  # all keys at their ends at once
        point = {
            key: entry.ends[end] if isinstance(entry, Range) else entry.value(entry.labels[end])
            for key, entry in space.items()
        }
        tried = build_config(overlay(as_tree(config), made_of(point)))
        assert {key: value_of(tried, key) for key in point} == point


@pytest.mark.parametrize("experiment", sorted(path.stem for path in EXPERIMENTS.glob("*.toml")))
def test_the_settings_of_experiments_lie_within_and_not_at_a_bound(experiment: str) -> None:
    config = load_config([experiment])
    space = space_of(config)
    check_space(space, config)
    for key, entry in space.items():
        value = value_of(config, key)
        if value == 0 and not isinstance(value, bool):
            continue  # what is switched off
        assert entry.contains(value), (key, value)
        if isinstance(entry, Range):
            assert AT_BOUND < entry.place(value) < 1 - AT_BOUND, (key, value)


@pytest.mark.parametrize(
    ("settings", "there", "not_there"),
    [
        (["kind=als"], ["l2"], ["l2_power", "unobserved_weight", "implicit_l2"]),
        (["kind=als", "implicit=both"], ["implicit_l2"], ["l2_power", "unobserved_weight"]),
        (["kind=als", "l2_bias=0.2"], ["l2_bias"], ["implicit_l2", "implicit_shrinkage"]),
        (["kind=als", "implicit=both", "implicit_shrinkage=9.0"], ["implicit_l2", "implicit_shrinkage"], ["l2_bias"]),
        (["kind=als", "unobserved_weight=0.1"], ["unobserved_weight"], ["l2_power", "observed_weight"]),
        (
            ["kind=als", "unobserved_weight=0.1", "observed_weight=2.0", "observed_weight_by=log"],
            ["unobserved_weight", "observed_weight", "weight_exponent"],
            ["l2_power"],
        ),
        (["kind=mf"], ["learning_rate"], ["decay", "momentum", "l2_bias"]),
        (["kind=biased_mf", "decay=0.9", "optimizer=momentum"], ["decay", "momentum", "l2_bias"], []),
        (["kind=dae", "input_scale=25.0"], ["input_scale", "hidden"], ["latent"]),
        (["kind=sum"], ["first.hidden", "second.l2", "second_weight"], ["hidden", "l2"]),
        (["kind=sum", "first.kind=recvae"], ["first.latent", "second.l2"], ["first.l2"]),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_a_space_goes_by_what_the_model_is(settings: list[str], there: list[str], not_there: list[str]) -> None:
    keys = space_of(load_config([], [f"model.{setting}" for setting in settings])).keys()
    assert {f"model.{name}" for name in there} <= keys
    assert not {f"model.{name}" for name in not_there} & keys


@pytest.mark.parametrize(("weight", "count"), [(0.0, 100), (0.1, 1000)])
def test_als_searches_the_same_penalties_of_so_many_ratings_whatever_the_power(weight: float, count: int) -> None:
    ends = []
    for power in (0.0, 0.5, 1.0):
        settings = ["kind=als", f"unobserved_weight={weight}", f"l2_power={power}"]
        entry = space_of(load_config([], [f"model.{setting}" for setting in settings]))["model.l2"]
        assert isinstance(entry, Range)
        ends.append([end * count**power for end in (entry.low, entry.high)])
    assert ends[1] == pytest.approx(ends[0])
    assert ends[2] == pytest.approx(ends[0])


def value_of(config: Config, key: str) -> Any:
    found: Any = as_tree(config)
    for part in key.split("."):
        found = found[part]
    return found
