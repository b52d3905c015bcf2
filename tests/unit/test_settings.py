"""Settings: layers, look-up, assignments, and what is written read back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys.config.keys import keys_of
from recsys.config.load import (
    as_tree,
    build_config,
    load_config,
    load_tree,
    overlay,
    parse_assignment,
    write_config,
)
from recsys.config.reference import settings_page
from recsys.errors import ConfigError
from recsys.models.autoencoder.config import DaeConfig
from recsys.registries import FAMILIES, LOSSES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXPERIMENTS = Path(__file__).parents[2] / "conf" / "experiments"


def toml(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_settings_are_the_papers_model_on_generated_data() -> None:
    config = load_config()
    model = config.model
    assert isinstance(model, DaeConfig)
    assert config.data.dataset == "synthetic"
    assert model.hidden == (150, 25, 150)
    assert (model.activation, model.resolved_output_activation) == ("relu", "softmax")
    assert (model.loss, config.training.learning_rate) == ("mse", 0.001)
    assert (config.training.batch_size, config.training.epochs, config.data.test_fraction) == (64, 50, 0.2)


def test_a_later_file_overrides_key_by_key(tmp_path: Path) -> None:
    first = toml(tmp_path, "first", "seed = 3\n[model]\nhidden = [7]\ndropout = 0.5\n[training]\nepochs = 2\n")
    second = toml(tmp_path, "second", "[model]\nhidden = [9, 8]\n")
    config = load_config([first, second])
    assert isinstance(config.model, DaeConfig)
    assert (config.model.hidden, config.model.dropout) == ((9, 8), 0.5)
    assert (config.seed, config.training.epochs) == (3, 2)
    assert config.name == "second"
    assert load_config([second, first]).model == DaeConfig(hidden=(7,), dropout=0.5)


def test_assignments_override_files_and_each_other(tmp_path: Path) -> None:
    file = toml(tmp_path, "one", "[training]\nepochs = 2\nworkers = 4\n")
    config = load_config([file], ["training.epochs=3", "training.epochs = 5", "name=mine"])
    assert (config.training.epochs, config.training.workers, config.name) == (5, 4, "mine")


def test_own_ratings_replace_an_earlier_data_set(tmp_path: Path) -> None:
    catalogue = toml(tmp_path, "catalogue", "[data]\ndataset = 'ml-1m'\nyear_from = 1950\ntest_fraction = 0.3\n")
    own = toml(tmp_path, "own", "[data]\nratings = 'r.csv'\nmovies = 'm.csv'\nseparator = ';'\n")
    data = load_config([catalogue, own]).data
    assert (data.dataset, data.ratings, data.movies, data.separator) == (None, "r.csv", "m.csv", ";")
    assert (data.year_from, data.test_fraction) == (None, 0.3)


def test_what_an_experiment_says_of_its_data_does_not_reach_own_files(tmp_path: Path) -> None:
    data = load_config(["quickstart"], ["data.ratings=r.csv"]).data
    assert data.positive_from is None
    own = toml(tmp_path, "own", "[data]\nratings = 'r.csv'\nseparator = ';'\npositive_from = 7\n")
    data = load_config(["quickstart", own], ["data.ratings=s.csv"]).data
    assert (data.ratings, data.separator, data.positive_from) == ("s.csv", ";", 7)


def test_a_blank_is_a_value() -> None:
    assert load_config([], ["data.ratings=r.csv", "data.separator= "]).data.separator == " "


def test_a_data_set_replaces_earlier_own_ratings_and_all_that_describes_them(tmp_path: Path) -> None:
    text = "[data]\nratings = 'r'\nmovies = 'm'\nseparator = ';'\nheader = true\nencoding = 'UTF-8'\n"
    text += "id_type = 'string'\nrating_min = 1\nrating_max = 10\ncolumns.user = 'uid'\ntest_fraction = 0.3\n"
    own = toml(tmp_path, "own", text)
    data = load_config([own], ["data.dataset=ml-100k"]).data
    assert (data.dataset, data.ratings, data.movies) == ("ml-100k", None, None)
    assert (data.separator, data.rating_max, data.columns.user, data.id_type) == (None, None, None, "auto")
    assert data.test_fraction == 0.3


def test_both_in_one_file_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^data\.dataset and data\.ratings exclude each other: keep one of them$"):
        build_config({"data": {"dataset": "ml-1m", "ratings": "r.csv"}})


def test_what_somebody_set_is_told_from_what_is_filled_in(tmp_path: Path) -> None:
    file = toml(tmp_path, "one", "[model]\nhidden = [7]\n")
    assert "data" not in load_tree([file])
    assert load_tree([file], ["data.year_from=1990"])["data"] == {"year_from": 1990}


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPERIMENTS.glob("*.toml")))
def test_every_experiment_that_ships_is_valid(name: str) -> None:
    assert load_config([name], experiments=EXPERIMENTS).name == name


def test_names_are_looked_up_and_paths_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml(tmp_path, "slim", "[model]\nhidden = [7]\n")
    for name in ("slim", "slim.toml"):
        assert load_config([name], experiments=tmp_path).model == DaeConfig(hidden=(7,))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"^\./slim\.toml: no such settings file$"):
        load_config(["./slim.toml"], experiments=tmp_path)
    with pytest.raises(ConfigError, match=r"no experiment 'slin': did you mean slim\?"):
        load_config(["slin"], experiments=tmp_path)
    with pytest.raises(ConfigError, match="no experiment 'zzzz': there are slim; or give the path"):
        load_config(["zzzz"], experiments=tmp_path)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"broken\.toml: not readable as TOML"):
        load_config([toml(tmp_path, "broken", "[model\n")])


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load_config([toml(tmp_path, "bom", "\ufeffseed = 9\n")]).seed == 9


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("model.hidden=[200]", {"model": {"hidden": [200]}}),
        ("data.dataset=ml-1m", {"data": {"dataset": "ml-1m"}}),
        ("data.dataset='ml-1m'", {"data": {"dataset": "ml-1m"}}),
        (" training.epochs = 7 ", {"training": {"epochs": 7}}),
        ("model.dropout=1e-1", {"model": {"dropout": 0.1}}),
        ("data.header=true", {"data": {"header": True}}),
        ("data.ratings=/a=b.csv", {"data": {"ratings": "/a=b.csv"}}),
        ("spark.executor.memory=2g", {"spark": {"executor": {"memory": "2g"}}}),
    ],
)
def test_assignments_are_read_as_toml_and_else_as_text(text: str, tree: dict[str, Any]) -> None:
    assert parse_assignment(text) == tree


@pytest.mark.parametrize("text", ["model.hidden", "=3", "model..hidden=3", ".hidden=3", ""])
def test_assignments_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_assignment(text)


@pytest.mark.parametrize("spelling", ["spark.executor.memory", "spark.spark.executor.memory"])
def test_spark_properties_by_either_spelling(spelling: str) -> None:
    assert load_config([], [f"{spelling}=2g"]).spark == {"spark.executor.memory": "2g"}


def test_settings_are_frozen_down_to_their_leaves() -> None:
    config = load_config()
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 2
    with pytest.raises(ValidationError, match="frozen"):
        config.model.hidden = (1,)  # type: ignore[attr-defined]
    assert isinstance(config.model, DaeConfig) and isinstance(config.model.hidden, tuple)


def test_every_key_is_documented() -> None:
    keys = {key: (kind, text) for key, kind, _, _, text in keys_of()}
    assert {"seed", "data.columns.user", "model.hidden", "training.workers", "recommend.n"} <= keys.keys()
    assert [key for key, (kind, text) in keys.items() if not kind or not text] == []
    about_losses = " ".join(text for key, _, _, _, text in keys_of() if key == "model.loss")
    assert [name for name in LOSSES.names() if name not in about_losses] == []


def test_keys_of_families_say_whose_they_are() -> None:
    rows = {(key, default): text for key, _, default, _, text in keys_of() if key.startswith("model.")}
    assert rows["model.hidden", "[150, 25, 150]"].startswith("dae, vae: ")
    assert rows["model.hidden", "[600, 600, 600, 600, 600]"].startswith("recvae: ")
    assert rows["model.l2", "500.0"].startswith("linear: ")
    assert rows["model.latent", "200"].startswith("vae, recvae: ")
    kinds = rows["model.kind", '"dae"']
    assert [kind for kind in FAMILIES.names() if kind not in kinds] == []


BELOW = {"model": {"kind": "vae", "hidden": [9], "latent": 3, "kl_weight": 0.5, "dropout": 0.1}}


@pytest.mark.parametrize(
    ("above", "model"),
    [
        ({"kind": "dae"}, {"kind": "dae", "hidden": [9], "dropout": 0.1}),
        ({"kind": "recvae", "latent": 7}, {**BELOW["model"], "kind": "recvae", "latent": 7}),
        ({"kind": "linear", "l2": 2.0}, {"kind": "linear", "l2": 2.0, "dropout": 0.1}),
        ({"kind": "sum"}, {"kind": "sum"}),
        ({"kind": "vae", "latent": 4}, {**BELOW["model"], "latent": 4}),
        ({"latent": 4}, {**BELOW["model"], "latent": 4}),
    ],
)  # fmt: skip
def test_another_kind_of_model_in_a_later_layer_drops_the_keys_that_it_does_not_have(
    above: dict[str, Any], model: dict[str, Any]
) -> None:
    both = overlay(BELOW, {"model": above})
    assert both == {"model": model}
    assert build_config(both).model.kind == model["kind"]


def test_a_layer_without_a_kind_is_of_the_default_kind() -> None:
    below = {"model": {"hidden": [9], "dropout": 0.1}}
    assert overlay(below, {"model": {"kind": "dae"}}) == {"model": {"kind": "dae", "hidden": [9], "dropout": 0.1}}
    assert overlay(below, {"model": {"kind": "linear"}}) == {"model": {"kind": "linear", "dropout": 0.1}}


def test_an_unknown_kind_in_a_later_layer_is_named() -> None:
    with pytest.raises(ConfigError, match=r"model\.kind = 'vea': no such kind of model: did you mean 'vae'"):
        build_config(overlay(BELOW, {"model": {"kind": "vea"}}))


def test_a_model_of_two_is_written_and_read_back(tmp_path: Path) -> None:
    table = {"kind": "sum", "first": {"kind": "vae", "latent": 3}, "second": {"l2": 20.0}, "second_weight": 2.0}
    config = build_config({"model": table})
    model: Any = config.model
    assert (model.first.latent, model.second.l2, model.loss_name) == (3, 20.0, "multinomial")
    write_config(config, tmp_path / "config.toml")
    assert load_config([tmp_path / "config.toml"]) == config


def test_the_page_of_settings_is_up_to_date() -> None:
    page = EXPERIMENTS.parents[1] / "docs" / "configuration.md"
    told = f"out of date: python -m recsys.config.reference > {page}"
    assert page.read_text(encoding="utf-8") == settings_page(), told


names = st.text(min_size=1, max_size=12)
fractions = st.floats(0.001, 0.999)


def tables(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


any_data = st.one_of(
    tables(year_from=st.integers(1900, 1950), year_to=st.integers(1950, 2030), test_fraction=fractions).flatmap(
        lambda some: st.sampled_from(["ml-1m", "ml-25m", "synthetic"]).map(lambda name: {**some, "dataset": name})
    ),
    tables(
        movies=names,
        separator=names,
        header=st.booleans(),
        rating_max=st.floats(1, 100),
        columns=tables(user=names | st.integers(1, 9), title=names),
        validation_fraction=fractions,
    ).flatmap(lambda some: names.map(lambda path: {**some, "ratings": path})),
)
any_settings = tables(
    name=names,
    seed=st.integers(0, 2**32 - 1),
    data=any_data,
    model=tables(hidden=st.lists(st.integers(1, 999), min_size=1, max_size=4), dropout=st.floats(0, 0.99)),
    training=tables(learning_rate=st.floats(1e-9, 10), workers=st.integers(1, 99)),
    evaluation=tables(recall_at=st.lists(st.integers(1, 99), min_size=1, max_size=3)),
    recommend=tables(user_id=names | st.integers()),
    spark=st.dictionaries(names, names | st.integers(0, 2**40) | st.booleans() | st.floats(-1e9, 1e9), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(tree=any_settings)
def test_what_is_written_is_read_back(tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    config = build_config(tree)
    path = tmp_path_factory.mktemp("settings") / "config.toml"
    write_config(config, path)
    assert load_config([path]) == config
    assert tomllib.loads(path.read_text(encoding="utf-8")).keys() == as_tree(config).keys()


@settings(max_examples=60, deadline=None)
@given(below=any_settings, above=any_settings)
def test_a_layer_leaves_no_key_of_the_one_below_that_it_sets(below: dict[str, Any], above: dict[str, Any]) -> None:
    both = overlay(below, above)
    for table in ("model", "training", "evaluation", "recommend"):
        assert both.get(table, {}) == {**below.get(table, {}), **above.get(table, {})}
    data = both.get("data", {})
    assert len({"dataset", "ratings"} & data.keys()) == min(1, len(data))
