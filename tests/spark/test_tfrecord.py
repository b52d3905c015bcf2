"""prepare --format tfrecord: written by Spark, read back by plain tf.data."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from preparing import Phases, blocks_of, run_prepare

from recsys.arranged import examples_of
from recsys.config.load import build_config
from recsys.data.split import TEST
from recsys.data.tfrecord import save_tfrecords, split_by_rating
from recsys.tensorflow_env import quiet_keras
from spark_jobs import prepare
from spark_jobs.common import Run

quiet_keras()

import tensorflow as tf  # noqa: E402

BIG = 2**63 - 1
NUMBERS, NAMES = [11, BIG, 15, 3, 40], ["zoe", 'Bob, "the" 2nd', "été", "eve", "Al"]
FILMS = [90, 8, BIG, 7, 100, 5, 12]
# ratings from -2 to 3, also 0; nobody rated the fifth movie, one user rated one alone
ROWS = [
    {90: 3.0, 8: 0.0, BIG: -2.0, 12: 1.5},
    {7: -0.5},
    {90: 0.0, 8: 1.0, BIG: 2.0, 7: 3.0, 5: -1.0, 12: -2.0},
    {8: 2.5, 5: 0.5, 12: 0.0},
    {90: -1.5, BIG: 0.5, 7: 1.0, 5: 3.0, 12: 2.0},
]
USERS: dict[str, list[Any]] = {"numbers": NUMBERS, "names": NAMES}
FEATURES = {
    "user": tf.io.FixedLenFeature([], tf.int64),
    "item": tf.io.FixedLenFeature([], tf.int64),
    "rating": tf.io.FixedLenFeature([], tf.float32),
}


def films_of(kind):
    """movie id in ROWS -> id in the file: text ids go with users that are numbers."""
    return {film: film if kind == "names" else f"film {film}" for film in FILMS}


def write(folder, kind):
    films = films_of(kind)
    with (folder / "ratings.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["userId", "movieId", "rating"])
        for user, rated in zip(USERS[kind], ROWS, strict=True):
            rows.writerows([user, films[film], rating] for film, rating in rated.items())
        rows.writerow([USERS[kind][0], films[7], 9.0])  # off the scale
    with (folder / "movies.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["movieId", "title"], *([id, f"Film, {film} (1990)"] for film, id in films.items())]
        )
    return {
        "ratings": f"{folder}/ratings.csv", "movies": f"{folder}/movies.csv",
        "rating_min": -2, "rating_max": 3, "max_rejected": 0.1, "block_users": 2,
    }  # fmt: skip


def read(folder, split):
    """(user, item, rating) of every record of a split."""
    files = tf.data.Dataset.list_files(f"{folder}/{split}-*.tfrecord", shuffle=False)
    records = tf.data.TFRecordDataset(files).map(lambda record: tf.io.parse_single_example(record, FEATURES))
    return [tuple(rating[name].item() for name in FEATURES) for rating in records.as_numpy_iterator()]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=list(USERS))
def written(request, spark, tmp_path_factory):
    """The job's own function on the data; (kind of ids, run directory, what was said)."""
    folder, run_folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    config = build_config({"data": write(folder, request.param), "seed": 9})
    said: list[str] = []
    phases = Phases()
    arguments = SimpleNamespace(profile=False, given=frozenset(), options=SimpleNamespace(format="tfrecord"))
    run = SimpleNamespace(
        config=config, path=run_folder, arguments=arguments, say=said.append, phase=phases, session=lambda: spark,
        write_json=lambda name, value: (run_folder / name).write_text(json.dumps(value)),
    )  # fmt: skip
    prepare.run_prepare(cast(Run, run))
    assert phases.names[-1] == "ratings_arrays"
    return request.param, run_folder, "\n".join(said)


def test_every_rating_is_read_back_once(written):
    kind, run, _ = written
    folder, films = run / "tfrecord", films_of(kind)
    users = {int(row["user"]): row["id"] for row in table(folder / "users.csv")}
    items = {int(row["item"]): row["movie_id"] for row in table(folder / "items.csv")}
    found = [
        (users[user], items[item], rating) for split in ("train", "test") for user, item, rating in read(folder, split)
    ]
    expected = [
        (str(user), str(films[film]), rating)
        for user, rated in zip(USERS[kind], ROWS, strict=True)
        for film, rating in rated.items()
    ]
    assert sorted(found) == sorted(expected)


def test_numbers_start_at_0_in_the_order_of_the_ids(written):
    kind, run, _ = written
    folder, films = run / "tfrecord", films_of(kind)
    users, items = table(folder / "users.csv"), table(folder / "items.csv")
    assert [(row["user"], row["id"]) for row in users] == [
        (str(i), str(id)) for i, id in enumerate(sorted(USERS[kind]))
    ]
    rated = [film for film in FILMS if film != 100]
    assert [row["item"] for row in items] == list("012345")
    title = {str(films[film]): f"Film, {film} (1990)" for film in rated}
    assert [row["movie_id"] for row in items] == [str(id) for id in sorted(films[film] for film in rated)]
    assert all(row["title"] == title[row["movie_id"]] for row in items)
    triples = read(folder, "train") + read(folder, "test")
    assert {user for user, _, _ in triples} == set(range(5))
    assert {item for _, item, _ in triples} == set(range(6))


def test_the_schema_says_what_there_is(written):
    _, run, said = written
    folder = run / "tfrecord"
    schema = json.loads((folder / "schema.json").read_text())
    train, test = read(folder, "train"), read(folder, "test")
    assert len(train) + len(test) == 19
    assert test
    mean = schema.pop("mean_training_rating")
    assert mean == pytest.approx(sum(rating for _, _, rating in train) / len(train))
    shards = schema.pop("shards")
    names = {f"{split}-{i:05d}-of-{shards:05d}.tfrecord" for split in ("train", "test") for i in range(shards)}
    assert {path.name for path in folder.iterdir()} == {*names, "users.csv", "items.csv", "schema.json"}
    assert schema == {
        "features": {"user": "int64", "item": "int64", "rating": "float32"},
        "users": 5, "items": 6, "ratings": {"train": len(train), "test": len(test)},
        "split": "rating", "test_fraction": 0.2, "seed": 9,
    }  # fmt: skip
    assert f"tfrecord: {len(train)} ratings to train and {len(test)} (" in said
    assert {path.name for path in run.iterdir()} == {"tfrecord", "rejected", "statistics.json"}


def test_the_test_is_that_of_a_run_split_by_rating_and_the_seeds(spark, tmp_path):
    data = {**write(tmp_path, "numbers"), "split": "rating", "test_fraction": 0.4, "validation_fraction": 0.3}
    tests = []
    for number, (seed, block_users) in enumerate([(9, 2), (9, 3), (10, 2)]):
        config = build_config({"data": {**data, "block_users": block_users}, "seed": seed})
        prepared = run_prepare(spark, **config.data.model_dump())
        examples = examples_of(prepared, config)
        save_tfrecords(prepared, tmp_path / f"records{number}", examples)
        found = {(user, item) for user, item, _ in read(tmp_path / f"records{number}", "test")}
        wanted = set()
        for block in blocks_of(prepared):
            users = np.repeat(block.users, np.diff(block.indptr))[examples.parts(block) == TEST]
            wanted |= {(sorted(NUMBERS).index(user), item) for user, item in zip(
                users.tolist(), block.indices[examples.parts(block) == TEST].tolist(), strict=True)}  # fmt: skip
        assert found == wanted
        tests.append(found)
    assert tests[0] == tests[1] != tests[2]


def test_a_split_by_time_is_kept(spark, tmp_path):
    """Eight ratings, a second apart: the last quarter is the test."""
    rows = [f"{user},{item},{item % 5 + 1},{time}" for time, (user, item) in enumerate(
        [(7, 1), (9, 2), (7, 3), (9, 4), (7, 5), (9, 6), (7, 7), (9, 8)], start=1_000_000_001)]  # fmt: skip
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]))
    data = {"ratings": f"{tmp_path}/ratings.csv", "split": "time", "split_time": "all", "test_fraction": 0.25}
    config = split_by_rating(build_config({"data": data}))
    prepared = run_prepare(spark, **config.data.model_dump())
    schema = save_tfrecords(prepared, tmp_path / "records", examples_of(prepared, config))
    assert (schema["split"], schema["test_fraction"]) == ("time", 0.25)
    assert sorted(read(tmp_path / "records", "test")) == [(0, 6, 3.0), (1, 7, 4.0)]
    assert len(read(tmp_path / "records", "train")) == 6


def test_the_documentations_program_runs(written, tmp_path, monkeypatch, capsys):
    _, run, _ = written
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "tf").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(program, "docs/data.md", "exec"), {})
    train, test = ([rating for _, _, rating in read(run / "tfrecord", split)] for split in ("train", "test"))
    rmse = np.sqrt(np.mean((np.array(test) - np.mean(train)) ** 2))
    assert f"{len(test)} test ratings, RMSE of the mean: {rmse:.4f}" in capsys.readouterr().out


def test_a_failed_write_leaves_nothing(spark, tmp_path):
    config = build_config({"data": {**write(tmp_path, "names"), "split": "rating"}})
    prepared = run_prepare(spark, **config.data.model_dump())
    by_time = replace(examples_of(prepared, config), split_time="user")  # which the blocks have no times for
    with pytest.raises(Exception, match="a split by time needs blocks with times"):
        save_tfrecords(prepared, tmp_path / "records", by_time)
    assert {path.name for path in tmp_path.iterdir()} == {"ratings.csv", "movies.csv"}
