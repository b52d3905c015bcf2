"""Data sets from DataFrames, files and the catalogue, without any job; and data sets that were saved."""

import numpy as np
import pandas as pd
import pytest
from preparing import arrays_of, blocks_of, counts_of
from pyspark.sql import functions as F

from recsys.config import DataConfig
from recsys.data.dataset import Dataset
from recsys.data.preprocessing import Preprocessing
from recsys.errors import ConfigError, DataError, UserError

# 4 users x 6 movies; nobody rated movie 60
RATINGS = [(1, 10, 4.0), (1, 30, 0.5), (2, 20, 3.5), (2, 10, 5.0), (2, 50, 2.0), (3, 40, 1.0), (4, 10, 2.5)]
MOVIES = [(10, "A (1950)"), (20, "B (1951)"), (30, "C"), (40, "D (1953)"), (50, "E, The (1990) "), (60, "F (1955)")]
ARRAYS = {1: {10: 4.0, 30: 0.5}, 2: {10: 5.0, 20: 3.5, 50: 2.0}, 3: {40: 1.0}, 4: {10: 2.5}}
ODD = ["who is it", "item.id", "num`stars"]
SIX = ["data_loading", "ratings_transformation", "movies_transformation"]
SIX += ["data_integration", "statistical_analysis", "ratings_arrays"]


def columns(user="userId", movie="movieId", rating="rating"):
    return {"user": user, "movie": movie, "rating": rating}


def as_bytes(dataset):
    blocks = sorted(blocks_of(dataset), key=lambda block: block.users.tolist())
    assert all(block.times is None for block in blocks)
    return [[(part.dtype.str, part.tolist()) for part in list(vars(block).values())[:5]] for block in blocks]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    lines = [",".join(map(str, row)) for row in RATINGS]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating", *lines, ""]))
    lines = [f'{movie},"{title}"' for movie, title in MOVIES]
    (folder / "movies.csv").write_text("\n".join(["movieId,title", *lines, ""]))
    return folder


@pytest.fixture(scope="module")
def from_files(spark, files):
    return Dataset.from_files(files / "ratings.csv", str(files / "movies.csv"), spark=spark, block_users=3)


def test_files_need_no_job(from_files):
    assert arrays_of(from_files) == ARRAYS
    assert from_files.items["title"].tolist() == [title.strip() for _, title in MOVIES[:5]]
    assert from_files.items["popularity"].tolist() == [3, 1, 1, 1, 1]
    assert (from_files.users, from_files.movies, from_files.statistics["ratings"]) == (4, 5, 7)
    assert from_files.preprocessing == Preprocessing(0.5, 5.0, None)
    assert (from_files.rejected, from_files.test_entries) == (None, None)
    assert repr(from_files) == "<Dataset: 7 ratings of 5 movies by 4 users>"


@pytest.mark.parametrize("kind", ["spark", "pandas"])
def test_dataframes_with_any_column_names_give_the_same_as_the_files(spark, from_files, kind):
    ratings = pd.DataFrame([(row[2], *row[:2], "more") for row in RATINGS], columns=["x", "y", "z", "w"])
    ratings.columns = [ODD[2], *ODD[:2], "other"]
    movies = pd.DataFrame([(title, movie) for movie, title in MOVIES], columns=["Name", "No"])
    if kind == "spark":
        ratings, movies = spark.createDataFrame(ratings), spark.createDataFrame(movies)
    names = columns(*ODD)
    made = Dataset.from_dataframe(ratings, movies, **names, title="Name", movie_in_movies="No", block_users=3)
    assert as_bytes(made) == as_bytes(from_files)
    assert made.items.equals(from_files.items)
    assert made.statistics == from_files.statistics
    assert made.data == DataConfig(ratings="DataFrame", movies="DataFrame", block_users=3)


def test_columns_that_the_data_phases_use_themselves_do_no_harm(spark):
    rows = [(f"u{user}", f"m{movie}", rating, movie) for user, movie, rating in RATINGS]
    frame = spark.createDataFrame(rows, ["position", "file", "reason", "line"]).repartition(3)
    made = Dataset.from_dataframe(frame, **columns("position", "file", "reason"))
    assert arrays_of(made) == {
        f"u{user}": {f"m{movie}": rating for movie, rating in array.items()} for user, array in ARRAYS.items()
    }
    assert made.items["title"].tolist() == ["movie m10", "movie m20", "movie m30", "movie m40", "movie m50"]


@pytest.mark.parametrize("kind", ["spark", "pandas"])
def test_bad_rows_are_counted_by_reason(spark, kind):
    rows = [
        ("1", "10", "4.0", 100),
        ("x", "10", "4.0", 100),
        ("1", None, "4.0", 100),
        ("1", "20", "many", 100),
        ("1", "20", "5.5", 100),
        ("2", "10", "3.0", 200),
        ("2", "10", "1.0", 300),
        ("2", "10", "2.0", 250),
        ("3", "77", "2.0", 250),
    ]
    frame = pd.DataFrame(rows, columns=["userId", "movieId", "rating", "when"])
    ratings = spark.createDataFrame(frame).coalesce(1) if kind == "spark" else frame
    movies = pd.DataFrame({"movieId": [10, 20], "title": ["A (1950)", "B (1951)"]})
    made = Dataset.from_dataframe(
        ratings, movies, timestamp="when", id_type="integer", rating_max=5.0, max_rejected=1.0
    )
    assert arrays_of(made) == {1: {10: 4.0}, 2: {10: 1.0}}
    expected = {"does_not_parse": [2, 4], "missing_field": [3], "off_scale": [5], "unknown_movie": [9]}
    expected["duplicate"] = [6, 8]
    assert counts_of(made) == {reason: len(numbers) for reason, numbers in expected.items()}
    assert (made.statistics["rows_read"], made.statistics["rows_rejected"]) == (9, 7)
    rejected: dict[str, list[int]] = {}
    assert made.rejected is not None
    for row in sorted(made.rejected.collect(), key=lambda row: row.row):
        assert row.file == "DataFrame"
        rejected.setdefault(row.reason, []).append(row.row)
    assert rejected == expected
    (example,) = made.statistics["rejected"]["off_scale"]["examples"]
    assert example["text"] == '{"user":"1","movie":"20","rating":"5.5","timestamp":100}'
    with pytest.raises(
        DataError, match=r"(?s)7 of 9 ratings are rejected.*off_scale: 1\n    DataFrame row 5 \(rating\): "
    ):
        Dataset.from_dataframe(ratings, movies, timestamp="when", id_type="integer", rating_max=5.0)


def test_types_other_than_numbers_and_text(spark):
    frame = pd.DataFrame(RATINGS, columns=["userId", "movieId", "rating"])
    frame["userId"] = frame["userId"].map({1: "ann", 2: "bob", 3: "eve", 4: "zoe"}).astype("category")
    frame["movieId"] = frame["movieId"].astype("Int64")
    frame["rating"] = frame["rating"].astype("float32")
    frame["when"] = pd.Timestamp("2001-02-03") + pd.to_timedelta(np.arange(len(frame)), unit="D")
    again = pd.DataFrame({**{name: frame[name][:1] for name in frame}, "rating": [1.5], "when": [frame["when"][0]]})
    again["when"] -= pd.Timedelta(days=1)  # in the last row, but earlier
    made = Dataset.from_dataframe(pd.concat([frame, again]), timestamp="when", max_rejected=0.2)
    assert arrays_of(made) == dict(zip(["ann", "bob", "eve", "zoe"], ARRAYS.values(), strict=True))
    assert counts_of(made) == {"duplicate": 1}


def test_years_and_likes_are_settings(spark, files):
    ratings = spark.read.csv(f"{files}/ratings.csv", header=True)  # all columns are text
    movies = spark.read.csv(f"{files}/movies.csv", header=True)
    made = Dataset.from_dataframe(ratings, movies, year_to=1960, positive_from=2.5)
    assert arrays_of(made) == {1: {10: 4.0}, 2: {10: 5.0, 20: 3.5}, 4: {10: 2.5}}
    assert made.statistics["not_selected"] == {"outside_years": 2, "outside_sample": 0, "below_positive": 1}
    assert made.preprocessing == Preprocessing(0.5, 5.0, 2.5)


def frame_of(spark, **others):
    row = {"userId": 1, "movieId": 10, "rating": 4.0, **others}
    return spark.createDataFrame(pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            columns(user="person"),
            DataError,
            r"ratings: no column 'person' \(there are userId, movieId, rating, when, tags\): name it by the argument "
            "user$",
        ),
        ({"timestamp": "time"}, DataError, "ratings: no column 'time' .*: name it by the argument timestamp$"),
        (
            columns(rating="tags"),
            DataError,
            r"ratings: the column 'tags' \(rating\) is of type array<string>: expected",
        ),
        (columns(rating="when"), DataError, r"ratings: the column 'when' \(rating\) is of type timestamp.*: expected"),
        ({"year_from": 1950}, ConfigError, "a year filter needs data.movies"),
        ({"yearfrom": 1950}, ConfigError, r"unknown key data\.yearfrom: did you mean data\.year_from\?"),
        (
            {"rating_min": 0.5, "rating_max": 0.1},
            ConfigError,
            "data.rating_min = 0.5 must be less than data.rating_max = 0.1",
        ),
        ({"separator": ";"}, ConfigError, "data.separator: only for files, not for DataFrames: leave out separator"),
        ({"test_ratings": "t.csv"}, ConfigError, "data.test_ratings: only for files"),
        ({"split": "Rating"}, ConfigError, "data.split = 'Rating': expected 'user', 'rating' or 'time'"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(spark, settings, error, message):
    frame = frame_of(spark, when=pd.Timestamp("2001-02-03"), tags=["a"])
    frame = frame.withColumn("rating", F.raise_error(F.lit("the rows were read")).cast("double"))
    with pytest.raises(error, match=message):
        Dataset.from_dataframe(frame, **settings)


def test_movies_without_their_columns(spark):
    ratings, movies = frame_of(spark), pd.DataFrame({"movieId": [10], "name": ["A (1950)"]})
    with pytest.raises(DataError, match=r"movies: no column 'title' \(there are movieId, name\): .* argument title$"):
        Dataset.from_dataframe(ratings, movies)
    with pytest.raises(DataError, match=r"movies: no column 'id' .*: name it by the argument movie_in_movies$"):
        Dataset.from_dataframe(ratings, movies, title="name", movie_in_movies="id")
    twice = pd.DataFrame([[10, "A", "B"]], columns=["movieId", "title", "title"])
    with pytest.raises(DataError, match="movies: has 2 columns 'title': give them different names"):
        Dataset.from_dataframe(ratings, twice)
    with pytest.raises(DataError, match="ratings: is of type list: expected a DataFrame of Spark or pandas"):
        Dataset.from_dataframe([(1, 10, 4.0)])


def test_generated_ratings_by_name_with_progress(spark, tmp_path):
    phases: list[str] = []
    made = Dataset.from_catalogue("synthetic", tmp_path, spark=spark, progress=phases.append, scale=0.002, seed=3)
    assert phases == SIX
    assert made.data.data_dir == str(tmp_path)
    assert (tmp_path / "synthetic-scale0.002-seed3" / "ratings.csv").is_dir()
    facts = made.statistics
    assert (facts["rows_read"], facts["rows_rejected"]) == (facts["ratings"], 0) == (facts["rows_expected"], 0)
    assert sum(map(len, arrays_of(made).values())) == facts["ratings"]
    with pytest.raises(ConfigError, match=r"data\.dataset = 'ml-2m': expected"):
        Dataset.from_catalogue("ml-2m", tmp_path, spark=spark)
    with pytest.raises(ConfigError, match=r"data\.separator: only for own files"):
        Dataset.from_catalogue("ml-1m", tmp_path, spark=spark, separator=";")


@pytest.fixture
def split_by_file(spark, files):
    (files / "test.csv").write_text("userId,movieId,rating\n2,50,2.0\n4,10,2.5\n")
    return Dataset.from_files(
        files / "ratings.csv", spark=spark, split="rating", test_ratings=str(files / "test.csv"), test_fraction=0.3
    )


def test_test_ratings_are_part_of_the_data_set(split_by_file, files):
    assert len(split_by_file.test_entries) == 2
    assert split_by_file.statistics["test_file"]["used"] == 2
    (files / "test.csv").write_text("userId,movieId,rating\n2,50,2.0\n")
    (files / "other.csv").write_text("userId,movieId,rating\n3,40,1.0\n")
    without = split_by_file.with_settings(test_ratings=None)
    assert (without.test_entries, "test_file" in without.statistics) == (None, False)
    other = split_by_file.with_settings(test_ratings=f"{files}/other.csv")
    assert len(other.test_entries) == 1
    assert other.test_entries[0] not in split_by_file.test_entries
    kept = split_by_file.with_settings(validation_fraction=0.25)
    assert kept.test_entries is split_by_file.test_entries  # the file is not read again
    assert kept.data.validation_fraction == 0.25


def test_a_saved_data_set_can_be_split_anew(spark, split_by_file, files, tmp_path):
    split_by_file.save(tmp_path / "saved")
    loaded = Dataset.load(spark, tmp_path / "saved")
    assert arrays_of(loaded) == ARRAYS
    assert loaded.statistics == split_by_file.statistics
    assert loaded.data == split_by_file.data
    assert loaded.test_entries is not None
    assert loaded.test_entries.tolist() == split_by_file.test_entries.tolist()
    (files / "test.csv").unlink()
    with pytest.raises(DataError, match=r"test\.csv: no such file"):
        Dataset.load(spark, tmp_path / "saved")
    by_user = Dataset.load(None, tmp_path / "saved", split="user", test_ratings=None)
    assert (by_user.test_entries, by_user.data.split, by_user.data.test_fraction) == (None, "user", 0.3)
    assert "test_file" not in by_user.statistics
    with pytest.raises(ConfigError, match=r"data\.year_from: the data set was made with other values"):
        Dataset.load(spark, tmp_path / "saved", year_from=1950)
    with pytest.raises(ConfigError, match=r"data\.test_ratings names single ratings for the test: set data\.split"):
        loaded.with_settings(split="user")


def test_a_data_set_of_dataframes_can_be_saved(spark, tmp_path):
    made = Dataset.from_dataframe(pd.DataFrame(RATINGS, columns=["u", "m", "r"]), **columns("u", "m", "r"))
    with pytest.raises(UserError, match="s3a://bucket/data: a data set is saved to a folder of this machine"):
        made.save("s3a://bucket/data")
    made.save(tmp_path / "new" / "folder")
    loaded = Dataset.load(spark, tmp_path / "new" / "folder", split="rating", orientation="movie")
    assert arrays_of(loaded) == ARRAYS
    assert (loaded.data.ratings, loaded.data.orientation) == ("DataFrame", "movie")
