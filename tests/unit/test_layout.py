"""How a file is laid out, told from its first bytes."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.data.sources.columns import MOVIES_ORDER, RATINGS_ORDER
from recsys.data.sources.layout import (
    HEAD_BYTES,
    SEPARATORS,
    Hints,
    TextLayout,
    detect_layout,
    sample_fields,
    split_line,
)
from recsys.errors import DataError

IN_ORDER = {USER: 0, MOVIE: 1, RATING: 2, TIMESTAMP: 3}


def ratings(head: bytes | str, **hints: Any) -> TextLayout:
    columns = hints.pop("columns", {})
    return detect_layout(
        head.encode() if isinstance(head, str) else head, Hints(RATINGS_ORDER, columns, **hints), "r.csv"
    )


def movies(head: bytes | str, **hints: Any) -> TextLayout:
    columns = hints.pop("columns", {})
    return detect_layout(
        head.encode() if isinstance(head, str) else head, Hints(MOVIES_ORDER, columns, **hints), "m.csv"
    )


def refused(head: bytes | str, **hints: Any) -> str:
    with pytest.raises(DataError) as caught:
        ratings(head, **hints)
    return str(caught.value)


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separator_and_header_are_told(separator: str, header: bool, end: str) -> None:
    rows = [["userId", "movieId", "rating", "timestamp"]] if header else []
    rows += [["7", "31", "2.5", "1260759144"], ["7", "1029", "3.0", "1260759179"]]
    layout = ratings(end.join(separator.join(row) for row in rows) + end)
    assert (layout.separator, layout.positions, layout.width) == (separator, IN_ORDER, 4)
    assert layout.header == (separator.join(rows[0]) if header else None)
    assert layout.quoted == (len(separator) == 1)


def test_names_may_stand_in_any_order_and_case_beside_others() -> None:
    layout = ratings("id,Rating, MOVIEID ,note,userid\n1,4.5,10,x,77\n")
    assert layout.positions == {USER: 4, MOVIE: 2, RATING: 1}
    assert layout.width == 5


def test_own_names() -> None:
    head = "who;stars;film\nann;4;f1\n"
    layout = ratings(head, columns={USER: "who", MOVIE: "film", RATING: "stars"})
    assert layout.positions == {USER: 0, MOVIE: 2, RATING: 1}
    assert sample_fields(head.encode(), layout, USER) == ["ann"]


def test_own_positions_without_a_header() -> None:
    layout = ratings("4.5\t10\t77\n3.0\t11\t78\n", columns={RATING: 1, MOVIE: 2, USER: 3})
    assert layout.header is None
    assert layout.positions == {USER: 2, MOVIE: 1, RATING: 0}


def test_own_positions_with_a_header_of_other_names() -> None:
    layout = ratings("stars,film,who\n4.5,10,77\n", columns={RATING: 1, MOVIE: 2, USER: 3})
    assert layout.header == "stars,film,who"
    assert layout.positions == {USER: 2, MOVIE: 1, RATING: 0}


def test_the_timestamp_may_be_absent() -> None:
    assert ratings("1,10,4.5\n2,11,3.0\n").positions == {USER: 0, MOVIE: 1, RATING: 2}
    assert TIMESTAMP not in ratings("userId,movieId,rating\n1,10,4\n").positions


def test_a_header_of_digits_is_what_the_settings_say() -> None:
    assert ratings("1,2,3,4\n5,6,7,8\n").header is None
    with pytest.raises(DataError, match="no column 'userId' in row 1"):
        ratings("1,2,3,4\n5,6,7,8\n", header=True)


def test_a_header_that_is_told_absent_is_a_row() -> None:
    layout = ratings("userId,movieId,rating\n1,10,4.5\n", header=False)
    assert (layout.header, layout.positions) == (None, {USER: 0, MOVIE: 1, RATING: 2})


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    layout = ratings(b"\xef\xbb\xbfuserId,movieId,rating\r\n1,10,4.5\r\n")
    assert (layout.header, layout.positions[USER]) == ("userId,movieId,rating", 0)


def test_latin_1() -> None:
    head = "1|Am\xe9lie (2001)\n2|Heat (1995)\n".encode("latin-1")
    layout = movies(head, encoding="ISO-8859-1", quoted=False)
    assert layout.encoding == "ISO-8859-1"
    assert sample_fields(head, layout, TITLE) == ["Am\xe9lie (2001)", "Heat (1995)"]


def test_quoted_titles_hold_separators_and_doubled_quotes() -> None:
    head = (
        'movieId,title,genres\n1,"Matrix, The (1999)",Action\n2,"""Great"" Day, A (1977)",Comedy\n3,Heat (1995),Crime\n'
    )
    layout = movies(head)
    assert (layout.separator, layout.positions) == (",", {MOVIE: 0, TITLE: 1})
    assert sample_fields(head.encode(), layout, TITLE) == ["Matrix, The (1999)", '"Great" Day, A (1977)', "Heat (1995)"]


def test_commas_in_titles_do_not_beat_the_separator() -> None:
    head = "1::Matrix, The (1999)::Action\n2::Postman, The (1997)::Drama\n"
    assert movies(head).separator == "::"
    for separator in ";|":
        layout = movies(head.replace("::Action", "").replace("::Drama", "").replace("::", separator))
        assert (layout.separator, layout.header) == (separator, None)


def test_a_file_that_goes_on_may_be_cut_within_its_last_line() -> None:
    row = b"1,10,4.5,9\n"
    head = (row * (HEAD_BYTES // len(row) + 1))[: HEAD_BYTES - 2] + b"77"
    assert sample_fields(head, ratings(head), USER) == ["1"] * (HEAD_BYTES // len(row))
    # a short file is whole, also without a last line end
    whole = b"1,10,4.5,9\n77,10,4.5,9"
    assert sample_fields(whole, ratings(whole), USER) == ["1", "77"]


@pytest.mark.parametrize(
    ("head", "hints", "message"),
    [
        ("", {}, "r.csv: is empty: expected rows of user, movie, rating, timestamp"),
        ("\n\n", {}, "r.csv: is empty"),
        (
            b"a\x00\x00b,1,2\n" * 9,
            {},
            "r.csv: not a text file in UTF-8 (it holds NUL bytes): set data.encoding, convert",
        ),
        (
            "1-10-4.5\n",
            {},
            "r.csv: row 1 has 1 field where at least 2 are needed (user, movie): '1-10-4.5'; set data.separator",
        ),
        ("1,10,4.5\n", {"separator": ";"}, "r.csv: row 1 has 1 field where"),
        (
            "kunde,film nr,rating\n1,2,3\n",
            {},
            "r.csv: no column 'userId' in row 1 (kunde, film nr, rating): "
            "name it in data.columns.user, or set data.header = false",
        ),
        ("userId,movieId,rating\n1,2,3\n", {"columns": {RATING: "stars"}}, "r.csv: no column 'stars' in row 1"),
        ("userId,movieId,rating\n1,2,3\n", {"columns": {TIMESTAMP: "when"}}, "r.csv: no column 'when' in row 1"),
        (
            "userId,movieId,rating,rating\n1,2,3,4\n",
            {},
            "r.csv: the header has 'rating' 2 times: set data.columns.rating to a position",
        ),
        (
            "1,2,3\n4,5,6\n",
            {"columns": {USER: "who"}},
            "r.csv: data.columns.user = 'who' is a name, but the file has no header: set a position",
        ),
        ("1,2,3\n4,5,6\n", {"columns": {USER: 9}}, "r.csv: data.columns.user = 9, but row 1 has 3 fields"),
        ("1,2,3\n4,5,6\n", {"columns": {TIMESTAMP: 4}}, "r.csv: data.columns.timestamp = 4, but row 1 has 3 fields"),
    ],
)
def test_what_cannot_be_told_names_file_and_remedy(head: bytes | str, hints: dict[str, Any], message: str) -> None:
    assert refused(head, **hints).startswith(message)


ROWS = [(n * 7 % 30, n * 5 % 17, n % 5 + 1) for n in range(40)]


def lines_of(pattern: str) -> str:
    return "".join(pattern.format(n, *row) + "\n" for n, row in enumerate(ROWS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # R's write.table has no name above the row names
        ("user,item,rating\n" + lines_of("{},{},{},{}"), "row 1 has 3 fields, the others have 4"),
        ("user,item,rating\n" + lines_of("{1},{2},{3},5"), "row 1 has 3 fields, the others have 4"),
        ("# ratings, 2020\n" + lines_of("{1},{2},{3}"), "row 1 has 2 fields, the others have 3"),
        ("sep=;\nuser;item;rating\n" + lines_of("{1};{2};{3}"), "row 1 has 2 fields, the others have 3"),
        # pandas writes an index, and digits as names of columns
        (lines_of("{},{},{},{}"), "its first column numbers the rows"),
        (",0,1,2\n" + lines_of("{},{},{},{}"), "its first column numbers the rows"),
        (lines_of("{1},{2},11000000{0:02},{3}"), "column 3 holds times, such as 1100000001"),
    ],
)
def test_columns_that_are_elsewhere_are_refused(text: str, message: str) -> None:
    assert refused(text).startswith(f"r.csv: {message}")


def test_settings_say_where_the_columns_are() -> None:
    assert ratings(lines_of("{},{},{},{}"), columns={USER: 1}).positions == IN_ORDER
    elsewhere = {USER: 2, MOVIE: 3, RATING: 4}
    assert ratings(lines_of("{},{},{},{}"), columns=elsewhere).positions == {USER: 1, MOVIE: 2, RATING: 3}
    third = {TIMESTAMP: 3, RATING: 4}
    assert ratings(lines_of("{1},{2},11000000{0:02},{3}"), columns=third).positions == {
        USER: 0,
        MOVIE: 1,
        RATING: 3,
        TIMESTAMP: 2,
    }


def test_a_separator_at_the_end_of_rows_is_no_column() -> None:
    layout = ratings("user,item,rating\n" + lines_of("{1},{2},{3},"))
    assert layout.positions == {USER: 0, MOVIE: 1, RATING: 2}


def test_names_of_likes_that_are_text() -> None:
    head = "customer_id,product_id\n" + lines_of("A{1},B{2}")
    assert ratings(head).header == "customer_id,product_id"


def test_columns_of_flags_make_no_matrix() -> None:
    flags = ",".join(f"f{n}" for n in range(8))
    layout = ratings(f"user,item,stars,{flags}\n" + lines_of("{1},{2},{3},0,1,0,1,1,0,1,0"))
    assert (layout.layout, layout.positions) == ("long", {USER: 0, MOVIE: 1, RATING: 2})


def test_decimal_commas_in_quotes() -> None:
    assert ratings("user,item,rating\n" + lines_of('{1},{2},"{3},5"')).decimal == ","
    assert ratings("user,item,rating\n" + lines_of("{1},{2},{3}.5")).decimal == "."


def test_netflix_blocks_may_have_no_dates() -> None:
    head = "1:\n5,4\n6,3\n2:\n5,1\n"
    layout = ratings(head)
    assert (layout.layout, sample_fields(head.encode(), layout, RATING)) == ("netflix", ["4", "3", "1"])


def test_duplicate_names_do_not_matter_where_a_position_is_given() -> None:
    layout = ratings("userId,movieId,rating,rating\n1,2,3,4\n", columns={RATING: 4})
    assert (layout.header, layout.positions[RATING]) == ("userId,movieId,rating,rating", 3)


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r\n\ufeff", exclude_categories=["Cc"]), min_size=1
)
titles = words.map(str.strip).filter(bool)
stars = st.sampled_from(["0.5", "3", "4.0", "5"])


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), stars, titles), min_size=1, max_size=8),
    separator=st.sampled_from("\t,;|"),
    header=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_table_written_by_the_csv_module_is_told(
    rows: list[tuple[int, int, str, str]], separator: str, header: bool, end: str, quoting: Any
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    if header:
        writer.writerow(["userId", "movieId", "rating", "title"])
    writer.writerows(rows)
    head = text.getvalue().encode()
    order = (USER, MOVIE, RATING, TITLE)
    layout = detect_layout(head, Hints(order, {}), "r.csv")
    assert layout.separator == separator
    assert (layout.header is not None) == header
    assert layout.positions == {name: place for place, name in enumerate(order)}
    assert sample_fields(head, layout, USER) == [str(row[0]) for row in rows]
    assert sample_fields(head, layout, TITLE) == [row[3] for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(1, 10**6), titles), min_size=1, max_size=5),
    separator=st.sampled_from("\t,;|"),
    header=st.booleans(),
)
def test_movies_with_any_titles_are_told(rows: list[tuple[int, str]], separator: str, header: bool) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([("movieId", "title"), *rows] if header else rows)
    head = text.getvalue().encode()
    layout = movies(head)
    assert (layout.separator, layout.header is not None) == (separator, header)
    assert sample_fields(head, layout, TITLE) == [title for _, title in rows]


@given(fields=st.lists(st.text(st.characters(exclude_characters="\r\n\x00")), min_size=2, max_size=5))
def test_a_line_is_split_as_it_was_written(fields: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(fields)
    assert split_line(text.getvalue(), ";", quoted=True) == fields
    bare = [field.replace(":", "") for field in fields]
    assert split_line("::".join(bare), "::", quoted=False) == bare
