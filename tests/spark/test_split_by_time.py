"""A split by time from data to metrics: the same counts as pandas, prepared data, both orientations, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from preparing import blocks_of

from recsys.api import evaluate, fit
from recsys.arranged import examples_of
from recsys.config.load import build_config, data_as_tree
from recsys.data.dataset import Dataset
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.data.store import with_prepared_data
from recsys.errors import ConfigError, DataError
from recsys.models.ease.family import Ease
from recsys.recommend.sample import sample_user

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
NAMES = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
START = 1_000_000_000
TINY = {
    "model": {"hidden": [4], "loss": "masked_mse", "activation": "sigmoid"},
    "training": {"epochs": 2, "batch_size": 16, "check_memory": False},
    "evaluation": {"recall_at": [3], "ndcg_at": 5},
}


def made_ratings():
    """80 users who come one after the other, 12 movies each of 30, several ratings in a second."""
    rng = np.random.default_rng(4)
    rows: list[tuple] = []
    for user in range(1, 81):
        times = START + 500 * user + rng.integers(0, 9000, 12)
        movies = rng.choice(30, 12, replace=False)
        rows += zip([user] * 12, movies + 100, rng.integers(1, 6, 12), times // 50 * 50, strict=True)
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating", "when"]).astype({"rating": "float64"})


@pytest.fixture(scope="module")
def frame():
    return made_ratings()


@pytest.fixture(scope="module")
def whole(spark, frame):
    return Dataset.from_dataframe(
        spark.createDataFrame(frame), timestamp="when", split="time", test_fraction=0.25, validation_fraction=0.2,
        block_users=13,
    )  # fmt: skip


def parts_by_moments(frame, test_fraction, validation_fraction):
    """The part of each row, from the sorted times alone."""
    times = np.sort(frame["when"].to_numpy())
    test_after = times[len(times) - round(test_fraction * len(times)) - 1]
    before = times[times <= test_after]
    validation_after = before[len(before) - round(validation_fraction * len(before)) - 1]
    when = frame["when"]
    return pd.Series(np.where(when > test_after, "test", np.where(when > validation_after, "validation", "train")))


def expected_summary(frame, parts):
    """ratings, users and without_history of statistics.json by pandas."""
    users = {part: set(frame["userId"][parts == part]) for part in NAMES}
    unknown = {"validation": users["validation"] - users["train"]}
    unknown["test"] = users["test"] - users["train"] - users["validation"]
    return {
        "ratings": {part: int((parts == part).sum()) for part in NAMES},
        "users": {part: len(users[part]) for part in NAMES},
        "without_history": {
            part: {"users": len(some), "ratings": int((frame["userId"].isin(some) & (parts == part)).sum())}
            for part, some in unknown.items()
        },
    }


def as_iso(seconds):
    return pd.Timestamp(int(seconds), unit="s").isoformat() + "Z"


def targets_of(dataset, config):
    """part -> {(user, movie id)}: what each role is held against, of the users who have it."""
    examples, ids = examples_of(dataset, config), dataset.items["movie_id"].to_numpy()
    found: dict[str, set] = {part: set() for part in NAMES}
    for block in blocks_of(dataset):
        for part, role in NAMES.items():
            chosen = block.take(examples.rows(block, role))
            target = examples.arrays(chosen, role)[1].tocoo()
            found[part] |= set(zip(chosen.users[target.row].tolist(), ids[target.col].tolist(), strict=True))
    return found


def config_of(dataset, **others):
    return build_config({"seed": 2, "data": data_as_tree(dataset.data), **TINY, **others})


def test_one_moment_for_all_is_that_of_the_sorted_times(whole, frame):
    parts = parts_by_moments(frame, 0.25, 0.2)
    summary = whole.statistics["time_split"]
    expected = expected_summary(frame, parts)
    assert {key: summary[key] for key in expected} == expected
    assert expected["without_history"]["test"]["users"] > 0
    # users come one after the other: the test has users whom training has not seen
    assert set(frame["userId"][parts == "validation"]) - set(frame["userId"][parts == "train"])
    assert summary["kind"] == "all"
    for key, part in (("test_from", "test"), ("validation_from", "validation")):
        assert summary[key] == as_iso(frame["when"][parts == part].min())
    assert (summary["first"], summary["last"]) == (as_iso(frame["when"].min()), as_iso(frame["when"].max()))

    pairs = pd.Series(list(zip(frame["userId"], frame["movieId"], strict=True)))
    judged = {part: frame["userId"].isin(set(frame["userId"])) for part in NAMES}
    judged["validation"] = frame["userId"].isin(set(frame["userId"][parts == "train"]))
    judged["test"] = frame["userId"].isin(set(frame["userId"][parts != "test"]))
    assert targets_of(whole, config_of(whole)) == {part: set(pairs[(parts == part) & judged[part]]) for part in NAMES}


def test_a_model_is_trained_and_judged_by_time(whole, frame):
    parts = parts_by_moments(frame, 0.25, 0.2)
    model = fit(whole, config_of(whole))
    seen = set(frame["userId"][parts == "train"])
    assert [epoch.rows for epoch in model.history] == [len(seen)] * 2
    assert all(np.isfinite(epoch.validation_loss) for epoch in model.history)

    metrics = evaluate(model, whole)
    known = set(frame["userId"][parts != "test"])
    test = frame[(parts == "test") & frame["userId"].isin(known)]
    assert metrics["ranking"]["users"] == metrics["ranking"]["test_users"] == test["userId"].nunique()
    assert set(test["userId"]) - seen  # unseen in training, evaluated by their history to date
    assert metrics["rating_prediction"]["ratings"] == len(test)
    mean = frame["rating"][parts == "train"].mean()
    assert metrics["rating_prediction"]["global_mean"]["rmse"] == pytest.approx(
        np.sqrt(((test["rating"] - mean) ** 2).mean()), rel=1e-5
    )
    left = whole.statistics["time_split"]["without_history"]["test"]
    assert metrics["ranking"]["without_history"] == metrics["rating_prediction"]["without_history"] == left
    after = as_iso(frame["when"][parts != "test"].max())
    assert metrics["ranking"]["protocol"].startswith(f"the ratings after {after} (the latest 25% of all) held out")
    assert "the ratings of the part given the earlier ones" in metrics["reconstruction"]["protocol"]

    validation = evaluate(model, whole, "validation")["ranking"]
    asked = frame[(parts == "validation") & frame["userId"].isin(seen)]
    assert validation["users"] == asked["userId"].nunique()
    assert validation["without_history"] == whole.statistics["time_split"]["without_history"]["validation"]


def test_no_later_rating_changes_what_is_learned(spark, whole, frame):
    parts = parts_by_moments(frame, 0.25, 0.2)

    def weights(changed):
        ratings = frame.assign(rating=frame["rating"].where(~changed, 6 - frame["rating"]))
        dataset = Dataset.from_dataframe(
            spark.createDataFrame(ratings), timestamp="when", split="time", test_fraction=0.25, validation_fraction=0.2
        )
        return learned(dataset)

    def learned(dataset):
        family = fit(dataset, config_of(dataset, model={"kind": "linear"})).family
        assert isinstance(family, Ease)
        return family.weights

    as_it_is = learned(whole)
    np.testing.assert_allclose(weights(parts != "train"), as_it_is, atol=1e-6)
    assert np.abs(weights(parts == "train") - as_it_is).max() > 1e-3


def test_the_sample_user_is_one_who_can_be_judged(whole, frame):
    parts = parts_by_moments(frame, 0.25, 0.2)
    able = set(frame["userId"][parts == "test"]) & set(frame["userId"][parts != "test"])
    drawn = {sample_user(whole.blocks, examples_of(whole, config_of(whole)), seed).user for seed in range(5)}
    assert drawn <= able


def test_a_model_is_judged_by_its_own_moments(whole, frame):
    """Also where the data set that is given is split at another moment."""
    model = fit(whole, config_of(whole))
    other = whole.with_settings(test_fraction=0.5)
    assert other.moments != whole.moments
    assert evaluate(model, other)["ranking"] == evaluate(model, whole)["ranking"]


def last_parts(frame, test_fraction, validation_fraction):
    """For each user (parts by number of ratings from the last, times ascending)."""
    found = {}
    for user, own in frame.groupby("userId"):
        n = len(own)
        test = min(max(int(test_fraction * n + 0.5), 1), n - 1)
        validation = min(max(int(validation_fraction * (n - test) + 0.5), 1), n - test - 1)
        found[user] = (n - test - validation, validation, test)
    return found


def test_the_last_ratings_of_each_user(whole, frame):
    dataset = whole.with_settings(split_time="user")
    assert dataset.moments is None
    numbers = last_parts(frame, 0.25, 0.2)
    summary = dataset.statistics["time_split"]
    assert summary["ratings"] == {part: sum(n[at] for n in numbers.values()) for at, part in enumerate(NAMES)}
    assert summary["users"] == dict.fromkeys(NAMES, 80)
    assert (summary["kind"], summary["test_from"], summary["validation_from"]) == ("user", None, None)
    assert summary["without_history"] == {part: {"users": 0, "ratings": 0} for part in ("validation", "test")}

    when = frame.set_index(["userId", "movieId"])["when"]
    targets = targets_of(dataset, config_of(dataset))
    assert sum(map(len, targets.values())) == len(frame)
    for user in range(1, 81):
        times = {part: [when[pair] for pair in pairs if pair[0] == user] for part, pairs in targets.items()}
        assert tuple(map(len, times.values())) == numbers[user]
        assert max(times["train"]) <= min(times["validation"])
        assert max(times["validation"]) <= min(times["test"])


def test_movies_arrays_have_the_same_parts(whole, frame):
    dataset = whole.with_settings(split_time="user", orientation="movie")
    model = fit(dataset, config_of(dataset))
    metrics = evaluate(model, dataset)
    numbers = last_parts(frame, 0.25, 0.2)
    assert metrics["rating_prediction"]["ratings"] == sum(test for _, _, test in numbers.values())
    assert metrics["ranking"]["users"] == 80
    # the baselines know what the users' arrays have in training
    targets = targets_of(dataset, config_of(dataset))
    rating = frame.set_index(["userId", "movieId"])["rating"]
    mean = np.mean([rating[pair] for pair in targets["train"]])
    error = np.sqrt(np.mean([(rating[pair] - mean) ** 2 for pair in targets["test"]]))
    assert metrics["rating_prediction"]["global_mean"]["rmse"] == pytest.approx(error, rel=1e-5)
    movies = len({movie for _, movie in targets["train"] | targets["validation"] | targets["test"]})
    assert metrics["reconstruction"]["train_movies"] == movies


def test_prepared_data_have_the_times_where_they_were_split_by_time(spark, whole, frame, tmp_path):
    whole.save(tmp_path / "timed")
    described = json.loads((tmp_path / "timed" / "prepared.json").read_text())
    assert "time_split" not in described["statistics"]  # the split may be another when they are loaded
    loaded = Dataset.load(spark, tmp_path / "timed")
    assert (loaded.moments, loaded.statistics, loaded.data) == (whole.moments, whole.statistics, whole.data)
    other = Dataset.load(spark, tmp_path / "timed", test_fraction=0.4, validation_fraction=0.1)
    expected = expected_summary(frame, parts_by_moments(frame, 0.4, 0.1))
    assert {key: other.statistics["time_split"][key] for key in expected} == expected
    by_user = Dataset.load(spark, tmp_path / "timed", split="user")
    assert (by_user.moments, "time_split" in by_user.statistics) == (None, False)

    config = build_config({"data": {"dataset": "synthetic", "split": "time", "split_time": "user"}})
    assert with_prepared_data(config, frozenset({"split"}), tmp_path / "timed").data.split_time == "user"


def test_prepared_data_without_times_are_refused_with_the_remedy(spark, frame, tmp_path):
    made = Dataset.from_dataframe(spark.createDataFrame(frame), timestamp="when", block_users=40)
    assert made.blocks.where("times is not null").isEmpty()
    remedy = "was made without the times of its ratings, .* make it again with data.split = 'time', or set data.split"
    with pytest.raises(ConfigError, match=f"the data set of DataFrame {remedy}"):
        fit(made, build_config({"data": {"dataset": "synthetic", "split": "time"}, **TINY}))
    made.save(tmp_path / "plain")
    with pytest.raises(ConfigError, match=remedy):
        Dataset.load(spark, tmp_path / "plain", split="time")
    config = build_config({"data": {"dataset": "synthetic", "split": "time"}})
    with pytest.raises(ConfigError, match=f"--prepared .*plain {remedy}"):
        with_prepared_data(config, frozenset(), tmp_path / "plain")


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (
            [(1, 10, 5), (1, 11, None), (2, 10, None)],
            {},
            "2 of 3 ratings have no time, which data.split = 'time' needs",
        ),
        ([(1, 10, 0), (1, 11, 0), (2, 10, 0)], {}, "all 3 ratings have the same time, 1970-01-01T00:00:00Z, so that"),
        (
            [(1, 10, 5), (1, 11, 9), (2, 10, 9), (2, 11, 9)],
            {},
            "no rating is left for the test: data.test_fraction = 0.2 of the ratings, and more, have one time, "
            "1970-01-01T00:00:09Z",
        ),
        ([(1, 10, 5), (1, 11, 5), (2, 10, 5), (2, 11, 9)], {}, "no rating is left for the validation: "),
        (
            [(1, 10, 1), (1, 11, 2), (1, 12, 3), (2, 10, 4)],
            {},
            "none of the 1 users with ratings from 1970-01-01T00:00:04Z on has an earlier one",
        ),
        ([(1, 10, 5), (2, 11, 6)], {"split_time": "user"}, r"no user has enough ratings for a part of its own \(valid"),
    ],
)
def test_what_cannot_be_ordered_is_refused(spark, rows, settings, message):
    ratings = spark.createDataFrame([(*row, 3.0) for row in rows], "userId int, movieId int, t long, rating double")
    with pytest.raises(DataError, match=f"^DataFrame: {message}"):
        Dataset.from_dataframe(ratings, timestamp="t", split="time", **settings)


def test_no_column_of_times_is_refused_before_anything_is_read(spark, tmp_path):
    (tmp_path / "r.csv").write_text("userId,movieId,rating\n1,10,4.0\n1,11,2.5\n")
    phases: list[str] = []
    with pytest.raises(DataError, match=r"r\.csv: has no column of times, .* name it in data\.columns\.timestamp"):
        Dataset.from_files(tmp_path / "r.csv", spark=spark, progress=phases.append, split="time")
    assert phases == []


def test_real_ratings_have_the_counts_of_pandas(spark):
    if not (DATA / "ml-100k" / "u.data").exists():
        pytest.skip("needs ml-100k in ../shared/data")
    frame = pd.read_csv(DATA / "ml-100k" / "u.data", sep="\t", names=["userId", "movieId", "rating", "when"])
    dataset = Dataset.from_catalogue("ml-100k", DATA / "ml-100k", spark=spark, split="time")
    summary = dataset.statistics["time_split"]
    expected = expected_summary(frame, parts_by_moments(frame, 0.2, 0.1))
    assert {key: summary[key] for key in expected} == expected
    assert summary["last"] == as_iso(frame["when"].max())
    by_user = dataset.with_settings(split_time="user").statistics["time_split"]["ratings"]
    numbers = last_parts(frame, 0.2, 0.1).values()
    assert by_user == {part: sum(one[at] for one in numbers) for at, part in enumerate(NAMES)}


def test_lost_times_of_ml_1m_are_refused(spark):
    if not (DATA / "ml-1m" / "ratings.dat").exists():
        pytest.skip("needs ml-1m in ../shared/data")
    with pytest.raises(DataError, match="all 1,000,209 ratings have the same time, 1970-01-01T00:00:00Z"):
        Dataset.from_catalogue("ml-1m", DATA / "ml-1m", spark=spark, split="time")
