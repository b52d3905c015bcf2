"""Settings that cannot be used: what is said of each mistake, and that all of them are told at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from recsys.config import DataConfig
from recsys.config.load import build_config, load_config
from recsys.errors import ConfigError


def mistakes(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_config(tree)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model.hiden", "did you mean model.hidden?"),
        ("model.epochs", "did you mean training.epochs?"),
        ("batch_size", "did you mean training.batch_size?"),
        ("modle", "did you mean model?"),
        ("zzzz", "there are name, seed, data, model, training, evaluation, recommend, machine, cost, spark"),
        ("recommend.zzzz", "there are recommend.user_id, recommend.n"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config([], [f"{key}=1"])
    assert str(caught.value) == f"unknown key {key}: {hint}"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.epochs='3'", "training.epochs = '3': input should be a valid integer"),
        ("training.epochs=3.0", "training.epochs = 3.0: input should be a valid integer"),
        ("training.epochs=true", "training.epochs = True: input should be a valid integer"),
        ("training.epochs=0", "training.epochs = 0: input should be greater than or equal to 1"),
        ("training.learning_rate=nan", "training.learning_rate = nan: input should be a finite number"),
        ("data.positive_from=inf", "data.positive_from = inf: input should be a finite number"),
        ("model.hidden=200", "model.hidden = 200: input should be a valid array"),
        ("model.hidden=[20, 'a']", "model.hidden.1 = 'a': input should be a valid integer"),
        ("model.hidden=[20, 0]", "model.hidden = [20, 0]: every width must be at least 1"),
        ("evaluation.recall_at=[0]", "evaluation.recall_at = [0]: every length must be at least 1"),
        ("model=5", "model = 5: input should be an object"),
        ("seed=4294967296", "seed = 4294967296: input should be less than 4294967296"),
        (
            "model.loss=mes",
            "model.loss = 'mes': no such loss: did you mean 'mse'?; or give package.module:Class",
        ),
        (
            "model.loss=zzzz",
            "model.loss = 'zzzz': no such loss: there are mse, masked_mse, multinomial; or give package.module:Class",
        ),
        (
            "model.kind=vea",
            "model.kind = 'vea': no such kind of model: did you mean 'vae'?; or give package.module:Class",
        ),
        (
            "model.kind=nowhere:Model",
            "model.kind = 'nowhere:Model': nowhere cannot be imported: No module named 'nowhere': install it, or mend "
            "the path",
        ),
        (
            "evaluation.metrics=['mrr']",
            "evaluation.metrics = ['mrr']: 'mrr' has no length: write a name and a length, such as mrr@10",
        ),
        (
            "evaluation.metrics=['mrz@3']",
            "evaluation.metrics = ['mrz@3']: no such metric: did you mean 'mrr'?; or give package.module:Class",
        ),
        (
            "recommend.user_id=[1]",
            "recommend.user_id = [1]: input should be a valid string, or input should be a valid integer",
        ),
    ],
)
def test_a_wrong_value_is_told_in_one_line(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config([], [assignment])
    assert str(caught.value) == message


def test_an_unknown_column_names_the_nearest() -> None:
    tree = {"data": {"ratings": "r.csv", "columns": {"usr": 1}}}
    assert mistakes(tree) == ["unknown key data.columns.usr: did you mean data.columns.user?"]


def test_two_columns_are_not_the_same() -> None:
    tree = {"data": {"ratings": "r.csv", "columns": {"user": "who", "rating": "who", "timestamp": "none"}}}
    assert mistakes(tree) == ["data.columns.user and data.columns.rating are both 'who': name two columns"]


def test_a_position_counts_from_one() -> None:
    tree = {"data": {"ratings": "r.csv", "columns": {"user": 0, "movie": 2}}}
    assert mistakes(tree) == ["data.columns.user = 0: a position counts from 1"]


def test_every_mistake_is_told_at_once() -> None:
    tree = {
        "sed": 1,
        "data": {"dataset": "ml-1m", "year_from": 2000, "year_to": 1990, "heder": True},
        "model": {"hidden": "wide", "loss": "multinomial", "output_activation": "relu"},
        "training": {"epochs": "3", "batch_size": 0},
        "evaluation": {"relevant_from": 7.0},
        "spark": {"spark.x": [1]},
    }
    found = mistakes(tree)
    starts = [
        "unknown key sed: did you mean seed?",
        "unknown key data.heder: did you mean data.header?",
        "model.hidden = 'wide': ",
        "training.epochs = '3': ",
        "training.batch_size = 0: ",
        "spark.spark.x = [1]: ",
        "data.year_from = 2000 is after data.year_to = 1990: swap them",
        "model.loss = 'multinomial' has its own activation: leave model.output_activation out, or 'linear'",
        "evaluation.relevant_from = 7 is above the highest rating, 5",
    ]
    assert len(found) == len(starts)
    for start in starts:
        assert any(line.startswith(start) for line in found), start


def test_several_combinations_of_one_table_are_all_told() -> None:
    tree = {"data": {"ratings": "r.csv", "year_from": 9, "year_to": 8, "rating_min": 4.0, "rating_max": 2.0}}
    assert mistakes(tree) == [
        "data.year_from = 9 is after data.year_to = 8: swap them",
        "a year filter needs data.movies: the release year is read from the titles",
        "data.rating_min = 4 must be less than data.rating_max = 2",
    ]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"data": {"movies": "m.csv"}}, "data.movies goes with data.ratings"),
        ({"data": {"dataset": "ml-1m", "separator": ","}}, "data.separator: only for own files"),
        (
            {"data": {"ratings": "r", "rating_min": 0.5, "rating_max": 0.4}},
            "data.rating_min = 0.5 must be less than data.rating_max = 0.4",
        ),
        ({"data": {"dataset": "ml-100k", "test_ratings": "u1.test"}}, "data.test_ratings names single ratings"),
        ({"data": {"split": "rating", "test_ratings": "t.csv"}}, "data.test_ratings goes with a data set of files"),
        ({"data": {"positive_from": 6.0}}, "data.positive_from = 6 is above the highest rating, 5"),
        ({"data": {"positive_from": 4.0}, "model": {"loss": "masked_mse"}}, "model.loss = 'masked_mse' learns nothing"),
        (
            {"data": {"positive_from": 4.0}, "evaluation": {"relevant_from": 4.0}},
            "evaluation.relevant_from has no meaning with data.positive_from",
        ),
        (
            {"data": {"orientation": "movie"}, "model": {"loss": "masked_mse"}},
            "data.orientation = 'movie' has every user in its arrays, none is unseen: set data.split = 'rating'",
        ),
        (
            {"data": {"orientation": "movie", "split": "rating"}},
            "model.loss = 'mse' does not go with data.orientation = 'movie'",
        ),
        (
            {"data": {"orientation": "movie", "split": "rating"}, "model": {"loss": "multinomial"}},
            "model.loss = 'multinomial' does not go with data.orientation = 'movie', which predicts ratings: "
            "set model.loss = 'masked_mse'",
        ),
        (
            {
                "data": {"orientation": "movie", "split": "rating"},
                "model": {"loss": "masked_mse", "output_activation": "sigmoid"},
            },
            "model.output_activation = 'sigmoid' does not go with data.orientation = 'movie'",
        ),
    ],
)
def test_impossible_combinations(tree: dict[str, Any], message: str) -> None:
    found = mistakes(tree)
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"latent": 3}, "unknown key model.latent: it is a key of model.kind = 'vae' or 'recvae', not of 'dae'"),
        ({"kind": "vae", "latnt": 3}, "unknown key model.latnt: did you mean model.latent?"),
        (
            {"kind": "linear", "hidden": [3]},
            "unknown key model.hidden: it is a key of model.kind = 'dae' or 'vae' or 'recvae', not of 'linear'",
        ),
        (
            {"kind": "sum", "l2": 3.0},
            "unknown key model.l2: it is a key of model.kind = 'dae' or 'vae' or 'recvae' or 'linear' or 'als' or "
            "'mf' or 'biased_mf', not of 'sum'",
        ),
        (
            {"kind": "sum", "first": {"loss": "multinomial", "latent": 3}},
            "unknown key model.first.latent: it is a key of model.first.kind = 'vae' or 'recvae', not of 'dae'",
        ),
        (
            {"kind": "sum", "first": {"kind": "vea"}},
            "model.first.kind = 'vea': no such kind of model: did you mean 'vae'?; or give package.module:Class",
        ),
        ({"kind": "linear", "linear_l2": 3.0}, "model.linear_l2 is not a key any more: write model.l2"),
        (
            {"loss": "multinomial", "linear": "ease"},
            "model.linear is not a key any more: set model.kind = 'sum', with the tables [model.first] and "
            "[model.second]: there it is model.second.kind = 'linear'",
        ),
        (
            {"linear_user_power": 0.5},
            "model.linear_user_power is not a key any more: set model.kind = 'sum', with the tables [model.first] and "
            "[model.second]: there it is model.second.user_power",
        ),
        (
            {"linear_weight": 2.0},
            "model.linear_weight is not a key any more: set model.kind = 'sum': there it is model.second_weight",
        ),
        ({"kind": "keras"}, "model.function = '': name the function as package.module:name"),
    ],
)
def test_a_key_of_another_kind_or_of_earlier_versions_is_refused_by_name(model: dict[str, Any], message: str) -> None:
    assert mistakes({"model": model}) == [message]


def test_a_divergence_is_not_trained_by_elephas() -> None:
    tree = {"model": {"kind": "recvae"}, "training": {"strategy": "elephas"}}
    refused = "model.kind = 'recvae' is not trained by training.strategy = 'elephas': use 'local_sgd'"
    assert mistakes(tree) == [refused]


def test_movies_arrays_and_likes_exclude_each_other() -> None:
    data = {"orientation": "movie", "split": "rating", "positive_from": 4.0}
    found = mistakes({"data": data, "model": {"loss": "masked_mse"}})
    likes = "data.orientation = 'movie' predicts ratings, data.positive_from leaves likes alone: drop one of them"
    assert likes in found
    assert mistakes({"data": data, "model": {"loss": "multinomial"}})[0] == likes


def test_a_wrong_value_brings_no_complaint_that_only_follows_from_it() -> None:
    assert len(mistakes({"data": {"dataset": "ml-9m", "year_from": 1950}})) == 1
    assert len(mistakes({"data": {"ratings": 5, "movies": "m.csv", "separator": ";"}})) == 1
    assert len(mistakes({"data": {"ratings": "r.csv", "rating_min": "low", "rating_max": 0.2}})) == 1
    assert len(mistakes({"data": 5, "evaluation": {"relevant_from": 4.5}})) == 1


def test_a_table_alone_checks_its_combinations_as_well() -> None:
    with pytest.raises(ValidationError, match="swap them"):
        DataConfig(dataset="ml-1m", year_from=2000, year_to=1990)
