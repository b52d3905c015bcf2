"""Search spaces: scales worked by hand, files, and every mistake in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.config.load import build_config, load_config
from recsys.config.model import ModelConfig
from recsys.config.run import Config
from recsys.config.search import Choices, Range, Space, check_space, made_of, read_space, space_of, write_space
from recsys.errors import ConfigError


@pytest.fixture
def als() -> Config:
    return build_config({"model": {"kind": "als"}, "data": {"split": "rating"}})


def test_scales_worked_by_hand() -> None:
    assert Range(low=10, high=30).at(0.25) == 15
    assert Range(low=1, high=100, scale="log").at(0.5) == pytest.approx(10)
    # fine near the upper end: a middle that is as far from 100 as 10 is from 1
    assert Range(low=1, high=100, scale="reverse_log").at(0.5) == pytest.approx(91)
    assert Range(low=1, high=100, scale="log", type="int").at(0.25) == 3


@pytest.mark.parametrize("scale", ["linear", "log", "reverse_log"])
def test_place_is_the_reverse_of_at(scale: str) -> None:
    searched = Range.model_validate({"low": 0.5, "high": 32, "scale": scale})
    assert [searched.place(searched.at(place)) for place in (0, 0.2, 0.7, 1)] == pytest.approx([0, 0.2, 0.7, 1])
    assert (searched.at(0), searched.at(1)) == pytest.approx(searched.ends)


def test_choices_may_be_lists() -> None:
    choices = Choices(choices=((200,), (600, 200)))
    assert choices.labels == ["[200]", "[600, 200]"]
    assert choices.value("[600, 200]") == [600, 200]
    assert choices.contains([200])
    assert not choices.contains([600])


def test_a_written_space_is_read_back(tmp_path: Path, als: Config) -> None:
    space: Space = {**space_of(als), "model.solver": Choices(choices=("cholesky", "cg"))}
    write_space(space, tmp_path / "space.toml")
    assert read_space(tmp_path / "space.toml", als) == space


def test_keys_may_stand_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text("[space]\nmodel.l2 = { low = 1, high = 2 }\nmodel.cg_steps.choices = [1, 2]")
    assert read_space(tmp_path / "space.toml") == {
        "model.l2": Range(low=1, high=2),
        "model.cg_steps": Choices(choices=(1, 2)),
    }


def test_every_mistake_in_one_message(tmp_path: Path, als: Config) -> None:
    (tmp_path / "space.toml").write_text("""
[space]
"model.factors" = { low = 8, high = 512, scale = "log" }
"model.latent" = { low = 8, high = 512, type = "int" }
"model.l2" = { low = 0, high = 10, scale = "log" }
"model.l2_power" = { low = 1, high = 1 }
"model.init_scale" = { low = -1, high = 1 }
"model.cg_steps" = { low = 1.5, high = 4, type = "int" }
"model.solver" = { choices = ["cholesky", "cgg"] }
"model.implicit" = { choices = [] }
"model.biases" = 3
"training.patience" = { lo = 1, high = 3 }
"training.learnin_rate" = { low = 0.1, high = 0.2 }
"data.test_fraction" = { low = 0.1, high = 0.2 }
"training.workers" = { choices = [1, 2] }
[spaces]
""")
    with pytest.raises(ConfigError) as caught:
        read_space(tmp_path / "space.toml", als)
    text = str(caught.value)
    for said in (
        "unknown table or key spaces",
        "model.factors takes whole numbers: set type = 'int'",
        "unknown key model.latent: it is a key of model.kind =",
        "model.l2: scale = 'log' needs low above 0, not 0",
        "model.l2_power: the range is empty",
        "model.init_scale = -1.0: input should be greater than 0",
        "model.cg_steps: type = 'int' needs whole numbers, not 1.5 and 4",
        "model.solver = 'cgg': expected 'cholesky', 'cg' or 'block'; did you mean 'cg'?",
        "model.implicit: choices is empty",
        "model.biases = 3: expected { low = ..., high = ... }",
        "training.patience: unknown key lo: did you mean low?",
        "unknown key training.learnin_rate: did you mean training.learning_rate?",
        "data.test_fraction: all trials have the same data",
        "training.workers: all trials have the same data",
    ):
        assert said in text
    assert len(text.splitlines()) == len(set(text.splitlines()))


@pytest.mark.parametrize("text", ["", "[space]\n", "space = 3\n", "[spaces]\n"])
def test_a_file_without_a_space(tmp_path: Path, text: str) -> None:
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"has no table \[space\]"):
        read_space(tmp_path / "space.toml")


def test_a_missing_file() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_space("nowhere/space.toml")


def test_a_key_of_one_of_several_kinds(als: Config) -> None:
    kinds = Choices(choices=("als", "mf"))
    space: Space = {
        "model.kind": kinds,
        "model.l2_power": Range(low=0, high=1),
        "model.batch_ratings": Choices(choices=(1, 9)),
    }
    check_space(space, als)
    with pytest.raises(ConfigError, match=r"unknown key model\.hidden"):
        check_space({"model.kind": kinds, "model.hidden": Choices(choices=((9,),))}, als)


def test_a_point_as_settings() -> None:
    point = {"model.l2": 0.5, "training.epochs": 3, "model.factors": 8}
    assert made_of(point) == {"model": {"l2": 0.5, "factors": 8}, "training": {"epochs": 3}}


@pytest.mark.parametrize("experiment", ["ml-100k-als", "ml-100k-mf"])
def test_the_families_own_spaces_fit(experiment: str) -> None:
    config = load_config([experiment])
    check_space(space_of(config), config)


def test_a_family_without_a_space(als: Config) -> None:
    with pytest.raises(ConfigError, match="has no search space of its own"):
        space_of(als.model_copy(update={"model": ModelConfig(kind="own")}))
