"""The small files of ../shared/cases, each with the result that its README says is right."""

from pathlib import Path

import pytest
from preparing import adds_up, arrays_of, run_prepare

from recsys.errors import DataError

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")


def prepare(spark, name, **data):
    for key in ("movies", "test_ratings"):
        if key in data:
            data[key] = str(CASES / data[key])
    return run_prepare(spark, ratings=str(CASES / name), **data)


@pytest.mark.parametrize(
    ("name", "data", "feedback", "scale", "users"),
    [
        ("five.csv", {}, "ratings", (1, 5), 60),
        ("zero_to_ten.dat", {}, "ratings", (0, 10), 60),
        ("minus_ten_to_ten.csv", {}, "ratings", (-10, 10), 60),
        ("likes_only.csv", {}, "likes", None, 60),
        ("plays.tsv", {"columns": {"rating": 4}}, "counts", None, 60),
        ("wide_99.csv", {}, "ratings", (-10, 10), 60),
        ("netflix.txt", {}, "ratings", (1, 5), 60),
        (
            "decimal_comma_cp1252.csv",
            {"encoding": "cp1252", "columns": {"user": "Benutzer", "movie": "Titel", "rating": "Note"}},
            "ratings",
            (0.5, 5),
            60,
        ),
        ("faults/leading-zeros/ratings.csv", {}, "ratings", (1, 5), 120),
        ("faults/pandas-parquet-nanoseconds/ratings.parquet", {}, "ratings", (1, 5), 60),
        ("faults/zero-and-negative-ratings/ratings.dat", {"rating_min": 0, "rating_max": 10}, "ratings", (0, 10), 60),
        (
            "faults/zero-and-negative-ratings/jester.csv",
            {"rating_min": -10, "rating_max": 10},
            "ratings",
            (-10, 10),
            60,
        ),
        (
            "faults/hundred-point-scale/ratings.csv",
            {"rating_min": 10, "rating_max": 100},
            "ratings",
            (10, 100),
            60,
        ),
        (
            "faults/newline-in-title/ratings.csv",
            {"movies": "faults/newline-in-title/movies.csv"},
            "ratings",
            (1, 5),
            60,
        ),
    ],
)
def test_every_row_is_a_rating(spark, name, data, feedback, scale, users):
    made = prepare(spark, name, **data)
    found = made.statistics
    assert adds_up(found)
    assert (found["ratings"], found["users"], found["movies"]) == (720, users, 40)
    assert found["feedback"] == feedback
    assert (found["scale"] and (found["scale"]["min"], found["scale"]["max"])) == scale


def test_ids_come_back_as_they_were(spark):
    assert all(movie.startswith("0000") for movie in prepare(spark, "zero_to_ten.dat").items["movie_id"])
    arrays = arrays_of(prepare(spark, "zero_to_ten.dat"))
    assert 0.0 in {rating for array in arrays.values() for rating in array.values()}


def test_a_code_for_not_rated(spark):
    found = prepare(spark, "minus_one_is_not_rated.csv", missing=(-1.0,)).statistics
    assert (found["ratings"], found["not_rated"], adds_up(found)) == (576, 144, True)
    told = prepare(spark, "minus_one_is_not_rated.csv").statistics["told"]
    assert any("set data.missing = [-1]" in note for note in told)


def test_a_line_break_within_a_title(spark):
    data = {"movies": "faults/newline-in-title/movies.csv", "year_from": 1951, "year_to": 2000}
    made = prepare(spark, "faults/newline-in-title/ratings.csv", **data)
    assert (made.statistics["movies"], made.statistics["ratings"]) == (40, 720)
    assert any("quoted field holds a line break" in note for note in made.statistics["told"])


def test_quotes_escaped_by_a_backslash(spark):
    made = prepare(spark, "faults/backslash-quotes/ratings.csv", movies="faults/backslash-quotes/movies.csv")
    first = made.items.set_index("movie_id").loc[1]
    assert (first["title"], first["year"]) == ('A "x;1" film 1 (1951)', 1951)


def test_float_ids(spark):
    made = prepare(spark, "faults/float-ids/ratings.csv", movies="faults/float-ids/movies.csv")
    assert made.statistics["rejected"] == {} and made.items["movie_id"].dtype.kind == "i"


@pytest.mark.parametrize("name", ["column-taken-twice", "column-taken-twice-half-stars"])
def test_a_column_taken_twice(spark, name):
    found = prepare(spark, f"faults/{name}/ratings.csv", columns={"rating": 4}).statistics
    assert found["ratings"] == found["rows_read"] == 60 and found["times"] is None


def test_no_column_of_ratings(spark):
    found = prepare(spark, "faults/no-rating-column/ratings.csv").statistics
    assert (found["feedback"], found["ratings"]) == ("likes", found["rows_read"])


@pytest.mark.parametrize(
    ("file", "times"), [("ratings.csv", "seconds"), ("us-dates.csv", None), ("fourth-column-is-text.tsv", None)]
)
def test_times_in_other_forms(spark, file, times):
    found = prepare(spark, f"faults/float-timestamps/{file}").statistics
    assert (found["ratings"], found["times"]) == (found["rows_read"], times)
    assert any("they are not read" in note for note in found["told"]) == (times is None)


def test_times_that_are_named_and_none(spark):
    with pytest.raises(DataError, match=r"us-dates.*set data\.columns\.timestamp = 'none'"):
        prepare(spark, "faults/float-timestamps/us-dates.csv", columns={"timestamp": "timestamp"})
    found = prepare(spark, "faults/float-timestamps/us-dates.csv", columns={"timestamp": "none"}).statistics
    assert found["ratings"] == found["rows_read"]
