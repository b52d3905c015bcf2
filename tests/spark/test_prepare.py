"""Blocks, statistics and splits do not depend on how they are computed, and survive being saved and partitioned."""

import shutil
import sys
from typing import Any

import numpy as np
import pytest
from preparing import Phases, arrays_of, blocks_of, run_prepare

from recsys.config.load import build_config
from recsys.data.dataset import Dataset
from recsys.data.examples import Examples
from recsys.data.partition import partition
from recsys.data.preprocessing import Preprocessing
from recsys.data.rows import rating_rows
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.data.store import with_prepared_data
from recsys.errors import ConfigError, DataError, UserError

SIX = ["data_loading", "ratings_transformation", "movies_transformation"]
SIX += ["data_integration", "statistical_analysis", "ratings_arrays"]
MOVIES, BUSY, SHY = 3_000, 500, 501


def rating(user, movie):
    return 0.5 + (user * 7 + movie * 3) % 10 / 2


def expected():
    """60 users with a few movies each, one with all 3,000, one with a single one."""
    arrays = {user: [1 + (user * step) % MOVIES for step in range(1, 3 + user % 9)] for user in range(1, 61)}
    arrays |= {BUSY: [*range(1, MOVIES + 1)], SHY: [77]}
    return {user: {movie: rating(user, movie) for movie in sorted(set(movies))} for user, movies in arrays.items()}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepare")
    rows = [f"{user},{movie},{value}\n" for user, array in expected().items() for movie, value in array.items()]
    np.random.default_rng(5).shuffle(rows)
    (folder / "ratings.csv").write_text("userId,movieId,rating\n" + "".join(rows))
    titles = [f"{movie},Film {movie} ({1900 + movie % 100})\n" for movie in range(MOVIES, 0, -1)]
    (folder / "movies.csv").write_text("movieId,title\n" + "".join(titles))
    paths = {name: f"{folder}/{name}.csv" for name in ("ratings", "movies")}
    return {**paths, "year_from": 1900, "year_to": 1999, "block_users": 7}


@pytest.fixture(scope="module")
def prepared(spark, data):
    return run_prepare(spark, **data)


@pytest.fixture(scope="module")
def config(data):
    return build_config({"data": data, "seed": 4})


@pytest.fixture(scope="module")
def examples(prepared, config):
    return Examples.of(config, prepared.movies, Preprocessing(0.5, 5.0))


@pytest.fixture(scope="module")
def saved(prepared, tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved")
    prepared.save(directory)
    return directory


def as_bytes(blocks):
    """Blocks as comparable values, down to the last bit."""
    assert all(block.times is None for block in blocks)
    return [
        [(np.asarray(part).dtype.str, part.tolist()) for part in list(vars(block).values())[:5]] for block in blocks
    ]


def roles_of(prepared, examples):
    """user -> what it is used for."""
    roles: dict[Any, int] = {}
    for block in blocks_of(prepared):
        for role in (TRAIN, VALIDATION, TEST):
            roles |= dict.fromkeys(block.users[examples.rows(block, role)].tolist(), role)
    return roles


def test_arrays_are_the_ratings(prepared):
    assert arrays_of(prepared) == expected()
    assert prepared.statistics["ratings_per_user"]["max"] == MOVIES
    assert prepared.statistics["ratings_per_user"]["min"] == 1
    assert prepared.rejected is None
    assert max(block.rows for block in blocks_of(prepared)) == 7


def test_profiling_changes_nothing(spark, data, prepared):
    phases = Phases()
    profiled = run_prepare(spark, profile=True, phases=phases, **data)
    assert phases.names == SIX
    assert as_bytes(blocks_of(profiled)) == as_bytes(blocks_of(prepared))
    assert profiled.statistics == prepared.statistics
    assert profiled.items.equals(prepared.items)
    profiled.blocks.unpersist()


@pytest.mark.parametrize("partitions", [1, 9])
def test_the_number_of_partitions_changes_nothing(spark, data, prepared, examples, monkeypatch, partitions):
    monkeypatch.setattr(sys.modules["recsys.data.ingest.pipeline"], "_partitions", lambda *_: partitions)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
    try:
        other = run_prepare(spark, **data)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
    assert other.blocks.rdd.getNumPartitions() == partitions
    assert arrays_of(other) == expected()
    assert other.statistics == prepared.statistics
    assert other.items.equals(prepared.items)
    assert roles_of(other, examples) == roles_of(prepared, examples)
    other.blocks.unpersist()


def test_saved_and_loaded_is_the_same(spark, prepared, examples, saved):
    loaded = Dataset.load(spark, saved)
    assert arrays_of(loaded) == expected()
    assert roles_of(loaded, examples) == roles_of(prepared, examples)
    assert loaded.items.astype(object).equals(prepared.items.astype(object))
    for name in ("statistics", "preprocessing", "data", "rejected", "test_entries", "movies", "users"):
        assert getattr(loaded, name) == getattr(prepared, name), name


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: next(iter(sorted(folder.glob("blocks/part-*")))).unlink(), "users, 62 were prepared"),
        (lambda folder: cut_short(next(iter(sorted(folder.glob("blocks/part-*"))))), "prepare it again"),
        (lambda folder: shutil.rmtree(folder / "blocks"), "prepare it again"),
        (lambda folder: (folder / "items.parquet").unlink(), "prepare it again"),
        (lambda folder: cut_short(folder / "items.parquet"), "prepare it again"),
        (lambda folder: cut_short(folder / "prepared.json"), "prepare it again"),
        (lambda folder: (folder / "prepared.json").unlink(), "run the job prepare"),
        (lambda folder: (folder / "prepared.json").write_text("{}"), "prepared by another version"),
    ],
    ids=["part lost", "part cut", "blocks lost", "items lost", "items cut", "json cut", "json lost", "other version"],
)
def test_a_damaged_data_set_is_named(spark, saved, tmp_path, damage, message):
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    for checksum in copy.rglob(".*.crc"):  # which would find the damage first
        checksum.unlink()
    damage(copy)
    with pytest.raises(UserError, match=message) as error:
        Dataset.load(spark, copy)
    assert str(copy) in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, DataError) or not (copy / "prepared.json").exists()


def test_a_run_on_prepared_data_may_split_anew_and_not_select(saved, config):
    chosen = build_config({"data": {"dataset": "synthetic", "split": "rating", "test_fraction": 0.4}})
    taken = with_prepared_data(chosen, frozenset({"split", "test_fraction"}), saved)
    assert (taken.data.split, taken.data.test_fraction) == ("rating", 0.4)
    assert taken.data.model_copy(update={"split": "user", "test_fraction": 0.2}) == config.data
    same = build_config({"data": {"year_from": 1900}})
    assert with_prepared_data(same, frozenset({"year_from"}), saved).data.year_to == 1999
    other = build_config({"data": {"year_from": 1950}})
    with pytest.raises(ConfigError, match=r"was made with data\.year_from = 1900"):
        with_prepared_data(other, frozenset({"year_from"}), saved)


def of_workers(part):
    """The blocks of each worker."""
    return part.blocks.glom().collect()


# of the 62 users about 45 are to train with and 12 to test with
@pytest.mark.parametrize(("role", "workers"), [(TRAIN, 1), (TRAIN, 3), (TEST, 20)])
def test_each_user_is_in_one_of_even_partitions(prepared, examples, role, workers):
    wanted = {user for user, has in roles_of(prepared, examples).items() if has == role}
    part = partition(prepared.blocks, examples, role, workers, 5)
    workers_blocks = of_workers(part)
    sizes = [sum(block.rows for block in blocks) for blocks in workers_blocks]
    assert len(workers_blocks) == part.workers == workers
    assert sum(sizes) == part.rows == len(wanted)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) == part.smallest == len(wanted) // workers
    assert len(wanted) > 2 * workers or min(sizes) == 0
    users = [user for blocks in workers_blocks for block in blocks for user in block.users.tolist()]
    assert len(users) == len(wanted)
    assert set(users) == wanted
    arrays, ids = expected(), prepared.items["movie_id"].to_numpy()
    for block in (block for blocks in workers_blocks for block in blocks):
        assert block.rows <= 5
        for user, row in zip(block.users.tolist(), block.matrix(prepared.movies), strict=True):
            assert dict(zip(ids[row.indices].tolist(), row.data.tolist(), strict=True)) == arrays[user]
    part.blocks.unpersist()


def test_partitions_made_twice_are_the_same(prepared, examples):
    once, again = (partition(prepared.blocks, examples, TEST, 2, 4) for _ in range(2))
    assert [as_bytes(blocks) for blocks in of_workers(once)] == [as_bytes(blocks) for blocks in of_workers(again)]
    once.blocks.unpersist()
    again.blocks.unpersist()


def test_as_rows_every_rating_stands_once(prepared):
    rows = [tuple(row) for row in rating_rows(prepared).select("user", "movie_id", "rating").collect()]
    assert sorted(rows) == [
        (user, movie, value) for user, array in sorted(expected().items()) for movie, value in array.items()
    ]


def test_rows_of_ids_that_are_words(spark, tmp_path):
    lines = ["userId,movieId,rating", "anna,dune,4.5", "bob,alien,3", "anna,alien,5"]
    (tmp_path / "ratings.csv").write_text("\n".join([*lines, ""]))
    rows = rating_rows(run_prepare(spark, ratings=f"{tmp_path}/ratings.csv")).collect()
    assert sorted(tuple(row) for row in rows) == [("anna", "alien", 5.0), ("anna", "dune", 4.5), ("bob", "alien", 3.0)]
