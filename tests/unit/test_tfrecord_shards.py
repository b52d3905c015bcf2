"""TFRecord files, without Spark: records, the two files of a shard, which files count, what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ratings import RATINGS, USERS, block_of

from recsys.config.load import build_config
from recsys.data.dataset import Dataset
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.tfrecord import SPLITS, attempt_name, publish, records, save_tfrecords, split_by_rating, write_shard
from recsys.errors import ConfigError, DataError, UserError
from recsys.tensorflow_env import quiet_keras
from spark_jobs.run.messages import describe_tfrecords

quiet_keras()

import tensorflow as tf  # noqa: E402

Triple = tuple[int, int, float]
ORDERED = np.sort(USERS)  # 3, 11, 12, 15, 40


def parsed(record: bytes) -> Triple:
    """The three values of a record, read by TensorFlow's own message; it holds nothing else."""
    feature = tf.train.Example.FromString(record).features.feature
    assert sorted(feature) == ["item", "rating", "user"]
    user, item = feature["user"].int64_list.value, feature["item"].int64_list.value
    rating = feature["rating"].float_list.value
    assert len(user) == len(item) == len(rating) == 1
    return user[0], item[0], rating[0]


def read(path: Path) -> list[Triple]:
    return [parsed(record) for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]


def examples_of(**data: Any) -> Examples:
    config = build_config({"data": {"ratings": "r.csv", "split": "rating", **data}, "seed": 4})
    return Examples.of(config, RATINGS.shape[1], Preprocessing(0.5, 5.0))


def paths_in(folder: Path) -> dict[str, Path]:
    return {split: folder / split for split in SPLITS}


small = st.integers(0, 2**31 - 1)
triples = st.lists(st.tuples(small, small, st.floats(allow_nan=False, width=32)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(triples)
def test_a_record_is_what_tensorflow_makes_of_the_rating(rows: list[Triple]) -> None:
    users, items, ratings = (np.array([row[place] for row in rows]) for place in range(3))
    made = list(records(users.astype(np.int32), items.astype(np.int32), ratings.astype(np.float32)))
    feature, ints, floats = tf.train.Feature, tf.train.Int64List, tf.train.FloatList
    assert made == [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "user": feature(int64_list=ints(value=[user])),
                    "item": feature(int64_list=ints(value=[item])),
                    "rating": feature(float_list=floats(value=[rating])),
                }
            )
        ).SerializeToString(deterministic=True)
        for user, item, rating in rows
    ]


def test_a_shard_has_every_rating_once_and_says_what_it_holds(tmp_path: Path) -> None:
    block, examples = block_of(), examples_of(test_fraction=0.4)
    first, second = block.take(np.array([4, 0])), block.take(np.array([1, 2, 3]))
    counts = write_shard([first, second], ORDERED, examples, paths_in(tmp_path))
    found = {split: read(tmp_path / split) for split in SPLITS}
    # rows of the matrix are users 11, 12, 15, 3 and 40: numbers 1, 2, 3, 0 and 4
    numbers = [1, 2, 3, 0, 4]
    every = {(numbers[row], column): float(RATINGS[row, column]) for row, column in np.argwhere(RATINGS).tolist()}
    assert sorted(found["train"] + found["test"]) == sorted((*pair, rating) for pair, rating in every.items())
    assert {split: len(rows) for split, rows in found.items()} == counts.ratings
    assert min(counts.ratings.values()) > 0
    assert counts.train_sum == sum(rating for _, _, rating in found["train"])
    assert list(dict.fromkeys(user for user, _, _ in found["train"])) == [4, 1, 2, 3, 0]  # as in the blocks


def test_what_is_for_validation_is_trained_on_and_the_test_stays(tmp_path: Path) -> None:
    for number, fraction in enumerate((0.01, 0.5)):
        (tmp_path / str(number)).mkdir()
        examples = examples_of(test_fraction=0.4, validation_fraction=fraction)
        write_shard([block_of()], ORDERED, examples, paths_in(tmp_path / str(number)))
    for split in SPLITS:
        assert (tmp_path / "0" / split).read_bytes() == (tmp_path / "1" / split).read_bytes()


def test_about_the_fraction_is_the_test(tmp_path: Path) -> None:
    dense = np.random.default_rng(3).integers(1, 6, (90, 70))
    users = np.arange(90)
    examples = Examples(70, Preprocessing(1, 5), True, 4, 0.2, 0.1, 0.2)
    counts = write_shard([block_of(dense, users)], users, examples, paths_in(tmp_path))
    # 6,300 draws with probability 0.2: the standard deviation is 32
    assert abs(counts.ratings["test"] - 1260) < 160
    assert sum(counts.ratings.values()) == 6300


def test_a_shard_without_ratings_is_an_empty_file_that_tensorflow_reads(tmp_path: Path) -> None:
    counts = write_shard([], ORDERED, examples_of(), paths_in(tmp_path))
    assert counts.ratings == {"train": 0, "test": 0}
    assert [read(tmp_path / split) for split in SPLITS] == [[], []]


def test_an_executor_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an executor does not see it: write to a folder that all machines see"):
        write_shard([block_of()], ORDERED, examples_of(), paths_in(tmp_path / "elsewhere"))


def test_a_full_disk_is_an_error_by_which_a_job_knows_it() -> None:
    with pytest.raises(Exception, match="No space left on device"):
        write_shard([block_of()], ORDERED, examples_of(), paths=dict.fromkeys(SPLITS, Path("/dev/full")))


def test_only_the_attempt_that_counts_is_published(tmp_path: Path) -> None:
    attempts, whole = tmp_path / "attempts", tmp_path / "whole"
    for folder in (attempts, whole):
        folder.mkdir()
    # partition 0 was tried twice, the first time in vain; partition 1 twice at once
    for partition, attempt in ((0, 5), (0, 9), (1, 6), (1, 7)):
        for split in SPLITS:
            (attempts / attempt_name(split, partition, attempt)).write_text(f"{split} {partition} {attempt}")
    publish([SimpleNamespace(partition=0, attempt=9), SimpleNamespace(partition=1, attempt=6)], attempts, whole)
    assert {path.name: path.read_text() for path in whole.iterdir()} == {
        "train-00000-of-00002.tfrecord": "train 0 9",
        "train-00001-of-00002.tfrecord": "train 1 6",
        "test-00000-of-00002.tfrecord": "test 0 9",
        "test-00001-of-00002.tfrecord": "test 1 6",
    }
    with pytest.raises(DataError, match="the executors wrote to their own disks"):
        publish([SimpleNamespace(partition=2, attempt=1)], attempts, whole)


def test_what_is_there_already_is_left_alone(tmp_path: Path) -> None:
    nothing = cast(Dataset, None)  # it is refused before the data are looked at
    for name in ("records", "records.unfinished"):
        (tmp_path / name).mkdir()
        with pytest.raises(UserError, match=rf"{name}: is there already: name a new directory, or remove this one"):
            save_tfrecords(nothing, tmp_path / "records", examples_of())
        (tmp_path / name).rmdir()
    with pytest.raises(UserError, match="hdfs://nn/records: a data set is saved to a folder of this machine"):
        save_tfrecords(nothing, "hdfs://nn/records", examples_of())
    with pytest.raises(ConfigError, match=r"data\.split = 'user' splits users, TFRecord files need ratings split"):
        save_tfrecords(nothing, tmp_path / "records", examples_of(split="user"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "given", "split", "fraction"),
    [
        ({}, [], "rating", 0.2),
        ({"test_fraction": 0.3}, [], "rating", 0.2),  # an experiment's, of its users
        ({"test_fraction": 0.3}, ["test_fraction"], "rating", 0.3),
        ({"split": "rating", "test_fraction": 0.1}, [], "rating", 0.1),
        ({"split": "time", "test_fraction": 0.1}, [], "time", 0.1),
    ],
)
def test_ratings_are_split_whatever_the_settings_split(
    data: dict[str, Any], given: list[str], split: str, fraction: float
) -> None:
    config = build_config({"data": {"ratings": "r.csv", **data}, "seed": 4})
    made = split_by_rating(config, frozenset(given))
    assert (made.data.split, made.data.test_fraction, made.seed) == (split, fraction, 4)
    assert config.data.split == data.get("split", "user")  # not changed itself


def test_the_screen_says_how_ratings_were_split() -> None:
    schema = {"ratings": {"train": 800, "test": 200}, "split": "rating", "test_fraction": 0.2, "seed": 4, "shards": 2}
    line = "tfrecord: 800 ratings to train and 200 (20.0%) to test, split by chance "
    line += "(data.test_fraction = 0.2, seed = 4), in 2 shards each"
    assert describe_tfrecords(schema, "rating") == line
    assert describe_tfrecords(schema, "user").startswith(f"{line}\n  data.split = 'user' is for rating arrays")
    assert "split by time, in" in describe_tfrecords({**schema, "split": "time"}, "time")
    by_file = {**schema, "split": "test_ratings", "test_fraction": None}
    assert "split by data.test_ratings, in" in describe_tfrecords(by_file, "rating")
