"""Registries: names of this package, of installed packages, and paths; what is said where there is nothing."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.config.load import build_config
from recsys.errors import ConfigError
from recsys.losses.base import Loss, Sums
from recsys.losses.mse import Mse
from recsys.registries import FAMILIES, LOSSES, METRICS, loss_named
from recsys.registry import Registry, import_path

HERE = __name__
GROUP = "howdah.things"


class Mine(Loss):
    """A loss of somebody else's."""

    name = "mine"
    predicts_ratings = True

    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        return float(output.sum()), len(output)

    def gradient(self, target: csr_matrix, output: np.ndarray) -> np.ndarray:
        return np.full_like(output, 1 / len(output))


@pytest.fixture
def things() -> Registry[Any]:
    """A registry of its own: what is imported is kept."""
    return Registry("thing", "some.key", GROUP, {"mse": "recsys.losses.mse:Mse", "gone": "recsys.nowhere:Gone"})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package with two entry points, of which one has a name that this package has, too."""
    entries = importlib.metadata.EntryPoints(
        [
            importlib.metadata.EntryPoint("mine", f"{HERE}:Mine", GROUP),
            importlib.metadata.EntryPoint("mse", f"{HERE}:Mine", GROUP),
            importlib.metadata.EntryPoint("mine", f"{HERE}:Mine", "howdah.losses"),
            importlib.metadata.EntryPoint("broken", "nowhere_at_all:Thing", GROUP),
        ]
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **wanted: entries.select(**wanted))


def test_every_registered_name_is_a_class_with_that_name() -> None:
    for registry in (LOSSES, METRICS):
        assert [registry.get(name).name for name in registry.names()] == registry.names()
    for kind in FAMILIES.names():
        assert FAMILIES.get(kind).Config.model_fields["kind"].default == kind


def test_a_name_is_imported_when_it_is_asked_for(things: Registry[Any]) -> None:
    assert things.names() == ["mse", "gone"]  # though one of them is not there
    assert things.get("mse") is Mse
    with pytest.raises(ConfigError, match=r"some\.key = 'gone': recsys\.nowhere cannot be imported"):
        things.get("gone")


def test_a_path_names_a_class_of_any_module(things: Registry[Any]) -> None:
    assert things.get(f"{HERE}:Mine") is Mine
    assert things.names() == ["mse", "gone"]


def test_a_file_names_a_class_in_it(things: Registry[Any], tmp_path: Path) -> None:
    file = tmp_path / "a_thing_in_a_file.py"
    file.write_text("class Thing:\n    name = 'thing'\n")
    try:
        thing = things.get(f"{file}:Thing")
        assert (thing.name, thing.__module__) == ("thing", "a_thing_in_a_file")
        assert import_path(f"{file}:Thing", "x") is thing  # not read again
    finally:
        sys.modules.pop("a_thing_in_a_file", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mze", "some.key = 'mze': no such thing: did you mean 'mse'?; or give package.module:Class"),
        ("zzzz", "some.key = 'zzzz': no such thing: there are mse, gone; or give package.module:Class"),
        (
            "nowhere_at_all:Thing",
            "some.key = 'nowhere_at_all:Thing': nowhere_at_all cannot be imported: No module named 'nowhere_at_all': "
            "install it, or mend the path",
        ),
        (
            "recsys.losses.mse:Mze",
            "some.key = 'recsys.losses.mse:Mze': recsys.losses.mse has no 'Mze': write package.module:name",
        ),
        (
            "recsys.losses.mse:",
            "some.key = 'recsys.losses.mse:': recsys.losses.mse has no '': write package.module:name",
        ),
        (
            "/nowhere/file.py:Thing",
            "some.key = '/nowhere/file.py:Thing': /nowhere/file.py cannot be imported: there is no such file: "
            "install it, or mend the path",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_the_remedy(things: Registry[Any], name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        things.get(name)
    assert str(caught.value) == message


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_names_and_takes_none_away(things: Registry[Any]) -> None:
    assert things.names() == ["mse", "gone", "broken", "mine"]
    assert things.get("mine") is Mine
    assert things.get("mse") is Mse
    with pytest.raises(ConfigError, match="did you mean 'mine'"):
        things.get("mime")
    with pytest.raises(ConfigError, match="'broken': nowhere_at_all cannot be imported"):
        things.get("broken")


@pytest.mark.usefixtures("installed")
def test_settings_name_what_an_installed_package_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOSSES, "_classes", {})
    config = build_config({"model": {"loss": "mine"}})
    assert config.model.loss_name == "mine"
    assert loss_named("mine") == Mine()
    with pytest.raises(ConfigError, match=r"model\.loss = 'mine' is not written for Keras"):
        build_config({"model": {"loss": "mine"}, "training": {"strategy": "elephas"}})


def test_a_class_is_registered_for_this_process(things: Registry[Any]) -> None:
    things.register("mine", Mine)
    assert things.get("mine") is Mine
    assert things.get("mse") is Mse


def test_losses_of_one_class_are_equal_and_others_are_not() -> None:
    assert loss_named("mse") == Mse()
    assert hash(loss_named("mse")) == hash(Mse())
    assert loss_named("mse") != loss_named("masked_mse")
