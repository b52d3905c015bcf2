"""The layout that a file's first lines prove: a matrix, Netflix' blocks, blanks, decimal commas; long otherwise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.text.layouts import WideShape, told_blanks, told_decimal, told_layout, told_wide

CASES = Path(__file__).parents[3] / "shared" / "cases"


def matrix(users: int, movies: int, code: str, values: list[str], seed: int = 1, rated: float = 0.4) -> list[list[str]]:
    """Cells of ratings from `values`, and the code where not rated."""
    rng = random.Random(seed)
    return [[rng.choice(values) if rng.random() < rated else code for _ in range(movies)] for _ in range(users)]


def lines(rows: list[list[str]], separator: str = ",") -> list[str]:
    return [separator.join(row) for row in rows]


def counted(rows: list[list[str]], code: str) -> list[list[str]]:
    return [[str(sum(cell != code for cell in row)), *row] for row in rows]


def with_ids(rows: list[list[str]], ids: str = "user {}") -> list[list[str]]:
    return [[ids.format(number), *row] for number, row in enumerate(rows, 101)]


STARS = ["1", "2", "3", "4", "5"]
JESTER = [f"{value / 100:g}" for value in range(-999, 1000, 7)]


def test_jester() -> None:
    rows = counted(matrix(50, 30, "99", JESTER), "99")
    assert told_wide(lines(rows), ",") == WideShape(False, None, 0, 1, 99.0)
    assert told_layout(lines(rows), ",") == "wide"


@pytest.mark.parametrize(("code", "missing"), [("0", 0.0), ("-1", -1.0), ("", None), ("NA", None)])
def test_the_number_of_ratings_proves_the_code(code: str, missing: float | None) -> None:
    rows = matrix(20, 12, code, STARS)
    assert told_wide(lines(counted(rows, code)), ",") == WideShape(False, None, 0, 1, missing)
    after_id = with_ids(counted(rows, code))
    assert told_wide(lines(after_id), ",") == WideShape(False, 0, 1, 2, missing)
    header = ["user", "n", *(f"movie {number}" for number in range(12))]
    assert told_wide(lines([header, *after_id]), ",") == WideShape(True, 0, 1, 2, missing)
    before_id = [[row[1], row[0], *row[2:]] for row in after_id]
    assert told_wide(lines(before_id), ",") == WideShape(False, 1, 0, 2, missing)


def test_full_rows_with_their_number() -> None:
    rows = counted(matrix(20, 12, "", STARS, rated=1), "")
    assert told_wide(lines(rows), ",") == WideShape(False, None, 0, 1, None)


@pytest.mark.parametrize("code", ["", "0", "99", "nan"])
def test_a_matrix_without_the_number_of_ratings(code: str) -> None:
    rows = matrix(40, 15, code, STARS)
    assert told_wide(lines(rows), ",") == WideShape(False, None, None, 0, None)
    assert told_wide(lines(with_ids(rows)), ",") == WideShape(False, 0, None, 1, None)
    assert told_wide(lines(with_ids(rows, "{}")), ",") == WideShape(False, 0, None, 1, None)


def test_a_pivot_table_of_pandas() -> None:
    """Its header holds the movies' numbers behind the name of the users."""
    rows = [["userId", *map(str, range(10, 130, 10))], *with_ids(matrix(30, 12, "", ["0.5", "3.0", "5.0"]), "{}")]
    assert told_wide(lines(rows), ",") == WideShape(True, 0, None, 1, None)


def test_decimal_commas_in_a_matrix() -> None:
    rows = matrix(30, 12, "", ["0,5", "3,0", "4,5"])
    assert told_wide(lines(rows, ";"), ";") == WideShape(False, None, None, 0, None)
    assert told_decimal(lines(rows, ";"), ";") == ","


def test_a_user_whose_first_rating_equals_the_number_by_chance() -> None:
    rows = counted(matrix(20, 12, "99", STARS), "99")
    rows[3][0] = str(int(rows[3][0]) + 1)
    shape = told_wide(lines(rows), ",")
    assert shape is None or shape.count_column is None


def test_the_shape_of_a_given_matrix_needs_no_proof() -> None:
    flags = ["who,a,b", "x,1,0", "y,0,1"]
    assert told_wide(flags, ",") is None
    assert told_wide(flags, ",", given=True) == WideShape(True, 0, None, 1, None)
    assert told_wide(["1,0,x", "0", "1,1,y"], ",", given=True) == WideShape(False, None, None, 0, None)
    rows = counted(matrix(20, 6, "99", STARS), "99")
    assert told_wide(lines(rows), ",", given=True) == WideShape(False, None, 0, 1, 99.0)
    few = ["2,1,2,0", "1,0,0,2"]  # the first column may be ratings
    assert told_wide(few, ",", given=True) == WideShape(False, None, None, 0, None)
    assert told_wide([], ",", given=True) == told_wide(["1"], ",", given=True) == WideShape(False, None, None, 0, None)


LONG = {
    "ml-100k": ["196\t242\t3\t881250949", "186\t302\t3\t891717742", "22\t377\t1\t878887116"],
    "csv": ["userId,movieId,rating,timestamp", "1,1,4.0,964982703", "1,3,4.0,964981247", "2,6,4.0,964982224"],
    "tags": ["userId,movieId,tag,timestamp", "2,60756,funny,1445714994", "2,60756,will ferrell,1445714992"],
    "seven columns": [f"{user},{user * 7},3,5,2,1,4" for user in range(30)],
    "one row": ["1,2,3,4,5,1,2,3,4,5,1,2,3,4"],
    "u.item": [
        f"{movie}|Film {movie} (1995)|01-Jan-1995||http://us.imdb.com/M/{movie}|" + "|".join("01" * 9 + "0")
        for movie in range(1, 30)
    ],
    "u.item without text": [f"{movie}|" + "|".join("010011000110010100") for movie in range(1, 30)],
    "ratings with times and features": [
        f"{row // 9},{row * 37 % 1682},{row % 5 + 1},{881250949 + row},{row % 60},{row % 2},{row % 3},{row % 4},1"
        for row in range(100)
    ],
    "ratings with features": [
        f"{row // 9},{row * 37 % 1682},{row % 5 + 1},{row % 6},{row % 2},{row % 3},{row % 4},1" for row in range(100)
    ],
    "many columns with names": [
        "userId,movieId,rating,a,b,c,d,e",
        *(f"{row},{row % 3},{row % 5},1,2,3,4,5" for row in range(30)),
    ],
    "users with flags": [f"{user};" + ";".join("0110100") for user in range(30)],
    "nothing": ["", ""],
}


@pytest.mark.parametrize("name", LONG)
def test_what_is_no_matrix(name: str) -> None:
    first = LONG[name][0]
    separator = next(one for one in ("\t", "|", ";", ",") if one in first or not first)
    assert told_layout(LONG[name], separator) == "long"


@given(st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 9999), st.integers(-10, 10), st.integers(0, 2**31))))
def test_ratings_a_row_each_are_never_a_matrix(rows: list[tuple[int, ...]]) -> None:
    assert told_layout([",".join(map(str, row)) for row in rows], ",") == "long"


@pytest.mark.parametrize(
    ("first", "layout"), [("1:", "netflix"), ("17770: ", "netflix"), ("1:2", "long"), ("a:", "long"), (":", "long")]
)
def test_netflix(first: str, layout: str) -> None:
    assert told_layout(["", first, "1488844,3,2005-09-06"], ",") == layout


@pytest.mark.parametrize(
    ("text", "blanks"),
    [
        ("  1   10  4.5  100\n  2    7  3    200", True),
        ("1 10 4\n1 12 3\n2 10 5", True),
        ("1 10 4", False),  # one line proves nothing
        ("user  movie  rating\n   1     10     4,5\n   2     12     3,0", True),
        ("1, 10, 4\n1, 12, 3\n2, 10, 5", False),
        ("1  Toy Story (1995)\n2  Heat (1995)\n3  Se7en (1995)", False),
        ("movieId,title\n1,Film 1 (1951)\n2,Film 2 (1952)\n3,Film 3 (1953)", False),
        ("1,101 Dalmatians (1996)\n2,102 Dalmatians (2000)\n3,12 Monkeys (1995)", False),
        ("1;Film 1 (1951)\n2;Film 2 (1952)\n3;Film 3 (1953)", False),
        ("1\t10\t4\n1\t12\t3\n2\t10\t5", False),
        ("1::Toy Story (1995)\n2::Some Thing (1995)\n3::An Other (1996)", False),
        ("1  2\n3  4\n5  6", False),
        ("", False),
    ],
)
def test_blanks(text: str, blanks: bool) -> None:
    assert told_blanks(text.split("\n")) is blanks


@pytest.mark.parametrize(
    ("text", "separator", "decimal"),
    [
        ("1;10;4,5\n2;11;3,0", ";", ","),
        ("1;10;4.5\n2;11;3.0", ";", "."),
        ("1;10;4\n2;11;3", ";", "."),
        ("1;10;1,234\n2;11;12,000", ";", "."),  # plays, with commas between thousands
        ("1;10;0,125\n2;11;0,250", ";", ","),
        ('1,10,"4,5"\n2,11,"3,5"', ",", ","),
        ("1,10,4\n2,11,3", ",", "."),
        ("1\tA, 1,5 hours\t4.5", "\t", "."),
        ("1   10   4,5", " ", ","),
        ("", ";", "."),
    ],
)
def test_decimals(text: str, separator: str, decimal: str) -> None:
    assert told_decimal(text.split("\n"), separator) == decimal


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}")
@pytest.mark.parametrize(
    ("name", "separator", "layout"),
    [
        ("wide_99.csv", ",", "wide"),
        ("netflix.txt", ",", "netflix"),
        ("five.csv", ",", "long"),
        ("minus_ten_to_ten.csv", ",", "long"),
        ("zero_to_ten.dat", "::", "long"),
        ("plays.tsv", "\t", "long"),
        ("likes_only.csv", ",", "long"),
    ],
)
def test_the_cases(name: str, separator: str, layout: str) -> None:
    assert told_layout((CASES / name).read_text().split("\n"), separator) == layout
