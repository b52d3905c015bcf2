"""Which column holds what: by names that data sets use, by positions, and what is refused."""

from __future__ import annotations

import re

import pytest

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.data.sources.columns import (
    MOVIES_ORDER,
    RATINGS_ORDER,
    columns_by_name,
    columns_by_order,
    counts_by_name,
)
from recsys.errors import DataError


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("userId,movieId,rating,timestamp", {USER: 0, MOVIE: 1, RATING: 2, TIMESTAMP: 3}),
        ("User-ID,ISBN,Book-Rating", {USER: 0, MOVIE: 1, RATING: 2}),
        ("user_id,anime_id,rating", {USER: 0, MOVIE: 1, RATING: 2}),
        ("rating,userId,jokeId", {USER: 1, MOVIE: 2, RATING: 0}),
        ("user,item", {USER: 0, MOVIE: 1}),
        ("user,item,time", {USER: 0, MOVIE: 1, TIMESTAMP: 2}),
        ("user_id,wine_id,stars", {USER: 0, MOVIE: 1, RATING: 2}),
        ("user_id,parent_asin,rating,timestamp", {USER: 0, MOVIE: 1, RATING: 2, TIMESTAMP: 3}),
        ("userid,artistid,plays", {USER: 0, MOVIE: 1, RATING: 2}),
        ("movie,movieId,userId,rating", {USER: 2, MOVIE: 1, RATING: 3}),
        # the column of row numbers that pandas writes is no rating
        (",user,item", {USER: 1, MOVIE: 2}),
        ("Unnamed: 0,user,item", {USER: 1, MOVIE: 2}),
        ("user,item,__index_level_0__", {USER: 0, MOVIE: 1}),
    ],
)
def test_names_that_data_sets_use(header: str, columns: dict[str, int]) -> None:
    assert columns_by_name(header.split(","), RATINGS_ORDER, {}, "r.csv") == columns


def test_a_given_column_comes_first_and_is_taken_once() -> None:
    names = ["user", "item", "score", "rating"]
    assert columns_by_name(names, RATINGS_ORDER, {RATING: "score"}, "r.csv") == {USER: 0, MOVIE: 1, RATING: 2}
    assert columns_by_name(names, RATINGS_ORDER, {RATING: 3}, "r.csv") == {USER: 0, MOVIE: 1, RATING: 2}
    assert columns_by_name(names, RATINGS_ORDER, {RATING: "none"}, "r.csv") == {USER: 0, MOVIE: 1}
    assert columns_by_name(["movieId", "title"], MOVIES_ORDER, {}, "m.csv") == {MOVIE: 0, TITLE: 1}


@pytest.mark.parametrize(
    ("fields", "given", "columns"),
    [
        (4, {}, {USER: 0, MOVIE: 1, RATING: 2, TIMESTAMP: 3}),
        (3, {}, {USER: 0, MOVIE: 1, RATING: 2}),
        (2, {}, {USER: 0, MOVIE: 1}),
        # the fourth column is the rating, so there is no time
        (4, {RATING: 4}, {USER: 0, MOVIE: 1, RATING: 3}),
        (5, {RATING: 4}, {USER: 0, MOVIE: 1, RATING: 3}),
        # the movie moves to where the user was
        (4, {USER: 2}, {USER: 1, MOVIE: 0, RATING: 2, TIMESTAMP: 3}),
        (4, {MOVIE: 1}, {USER: 1, MOVIE: 0, RATING: 2, TIMESTAMP: 3}),
        (4, {TIMESTAMP: "none"}, {USER: 0, MOVIE: 1, RATING: 2}),
        (4, {RATING: "none"}, {USER: 0, MOVIE: 1, TIMESTAMP: 3}),
    ],
)
def test_positions_given_in_part_move_the_others(
    fields: int, given: dict[str, str | int], columns: dict[str, int]
) -> None:
    assert columns_by_order(fields, RATINGS_ORDER, given, "r.csv") == columns


def test_a_third_column_of_times_is_no_rating() -> None:
    assert columns_by_order(3, RATINGS_ORDER, {}, "r.csv", has_times_third=True) == {USER: 0, MOVIE: 1, TIMESTAMP: 2}


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        ("user,item,wert", {}, "r.csv: no column 'rating' in row 1 (user, item, wert): name it in data.columns.rating"),
        ("user,item,stars", {MOVIE: "film"}, "r.csv: no column 'film' in row 1 (user, item, stars): correct"),
        ("a,rating,c", {USER: "a", MOVIE: "a"}, "r.csv: column 1 would be both user and movie: set data.columns.user"),
        ("userId,userId,rating", {}, "r.csv: the header has 'userId' 2 times: set data.columns.user to a position"),
        ("user,item,item,stars", {}, "r.csv: the header has 'item' 2 times: set data.columns.movie to a position"),
    ],
)
def test_what_names_do_not_tell(names: str, given: dict[str, str | int], message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        columns_by_name(names.split(","), RATINGS_ORDER, given, "r.csv")


def test_the_id_in_the_movies_has_a_setting_of_its_own() -> None:
    books = ["isbn", "book_id", "title"]
    assert columns_by_name(books, MOVIES_ORDER, {}, "m.csv") == {MOVIE: 1, TITLE: 2}
    message = "m.csv: no column 'item' in row 1 (isbn, book_id, title): correct data.columns.movie_in_movies"
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        columns_by_name(books, MOVIES_ORDER, {MOVIE: "item"}, "m.csv")


@pytest.mark.parametrize(
    ("fields", "given", "message"),
    [
        (4, {USER: 3}, "r.csv: column 3 is user, by data.columns: set data.columns.rating too"),
        (4, {USER: 4, TIMESTAMP: 4}, "r.csv: column 4 would be both user and timestamp"),
        (3, {USER: "who"}, "r.csv: data.columns.user = 'who' is a name, but the file has no header"),
        (3, {USER: 5}, "r.csv: data.columns.user = 5, but row 1 has 3 fields"),
    ],
)
def test_what_positions_do_not_tell(fields: int, given: dict[str, str | int], message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        columns_by_order(fields, RATINGS_ORDER, given, "r.csv")


def test_names_of_counts() -> None:
    assert counts_by_name("Play-Count") and not counts_by_name("rating")
