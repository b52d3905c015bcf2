"""One user's ratings, looked up for recommend: the same as the data phases would have made of them."""

from typing import Any

import pytest
from preparing import arrays_of, run_prepare

from recsys.config import DataConfig
from recsys.data.sources.files import find_sources
from recsys.errors import DataError, UserError
from recsys.recommend.lookup import user_in_data, user_in_prepared

MOVIES = "movieId,title\n1,One (2001)\n2,Two (2002)\n3,Three (2003)\n5,Five (1955)\n"
RATINGS = (
    "userId,movieId,rating,timestamp\n"
    "7,1,4.0,100\n7,2,4.5,100\n7,2,3.0,300\n7,2,5.0,200\n"  # the latest counts, which is the second
    "7,3,2.0,\n7,3,5.0,\n7,5,4.0,1\n7,1,9.0,400\n7,1,,500\n"  # without a time the last row; bad rows count for nothing
    "70,1,5.0,100\n8,3,1.0,100\n77,2,3.5,100\n"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lookup")
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "movies.csv").write_text(MOVIES)
    return folder


def settings(files, **more):
    own = {"ratings": f"{files}/ratings.csv", "movies": f"{files}/movies.csv", "max_rejected": 1.0, "rating_max": 5.0}
    return {**own, **more}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {1: 4.0, 2: 3.0, 3: 5.0, 5: 4.0}),
        ({"positive_from": 4.0}, {1: 4.0, 3: 5.0, 5: 4.0}),  # a like that was taken back is none
    ],
)
def test_a_user_of_the_files_is_as_in_the_data_phases(spark, files, more, expected):
    data = settings(files, **more)
    assert user_in_data(spark, DataConfig(**data), files, "7", True, (0.5, 5.0)) == (7, expected)
    assert arrays_of(run_prepare(spark, **data))[7] == expected


def test_ratings_of_0_and_below_are_ratings(spark, tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n7,1,0\n7,2,-3\n7,3,+2.5\n8,1,0\n")
    data: dict[str, Any] = {"ratings": f"{tmp_path}/ratings.csv", "rating_min": -5.0, "rating_max": 5.0}
    expected = {1: 0.0, 2: -3.0, 3: 2.5}
    assert user_in_data(spark, DataConfig(**data), tmp_path, "7", True, (-5.0, 5.0)) == (7, expected)
    assert arrays_of(run_prepare(spark, **data))[7] == expected
    liked = {**data, "positive_from": 0.0}
    assert user_in_data(spark, DataConfig(**liked), tmp_path, "7", True, (-5.0, 5.0)) == (7, {1: 0.0, 3: 2.5})
    assert arrays_of(run_prepare(spark, **liked))[7] == {1: 0.0, 3: 2.5}


def test_years_are_left_to_the_models_movies(spark, files):
    data = settings(files, year_from=2000)
    assert set(user_in_data(spark, DataConfig(**data), files, "7", True, (0.5, 5.0))[1]) == {1, 2, 3, 5}


def test_a_user_of_prepared_data_is_found_without_spark(spark, files, tmp_path):
    data = settings(files, block_users=2)
    run_prepare(spark, **data).save(tmp_path)
    assert user_in_prepared(tmp_path, "7") == (7, {1: 4.0, 2: 3.0, 3: 5.0, 5: 4.0})
    assert user_in_prepared(tmp_path, "77") == (77, {2: 3.5})
    with pytest.raises(UserError, match="user '9' has no ratings in"):
        user_in_prepared(tmp_path, "9")


def test_users_may_have_names(spark, tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\nann,m1,4\nbob,m2,3\nann,m2,5\n")
    data: dict[str, Any] = {"ratings": f"{tmp_path}/ratings.csv"}
    assert user_in_data(spark, DataConfig(**data), tmp_path, "ann", False, (0.5, 5.0)) == (
        "ann",
        {"m1": 4.0, "m2": 5.0},
    )
    run_prepare(spark, **data).save(tmp_path)
    assert user_in_prepared(tmp_path, "ann") == ("ann", {"m1": 4.0, "m2": 5.0})


@pytest.mark.parametrize(
    "data",
    [{"dataset": "synthetic", "scale": 0.002}, {"dataset": "ml-1m"}, {"ratings": "/absent/ratings.csv"}],
    ids=["generated", "catalogue", "own"],
)
def test_data_that_is_not_there_is_neither_made_nor_fetched(spark, tmp_path, data):
    with pytest.raises(UserError, match=r"cannot be read here .*: give --prepared DIR or --ratings"):
        user_in_data(spark, DataConfig(**data), tmp_path / "data", "1", True, (0.5, 5.0))
    with pytest.raises(DataError):
        find_sources(spark, DataConfig(**data), "", str(tmp_path / "data"), make=False)
    assert list(tmp_path.iterdir()) == []


def test_a_user_that_is_not_there_is_told_with_the_remedy(spark, files):
    with pytest.raises(UserError, match=r"user '9' has no ratings in .*ratings.csv: name another, or give --ratings"):
        user_in_data(spark, DataConfig(**settings(files)), files, "9", True, (0.5, 5.0))
