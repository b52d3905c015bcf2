"""Chunks: lines that the fast parser takes, all others kept with their position; no line is lost."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.data.ingest.arrow_chunks import READ, TABLE, count_not_rated, on_scale, pack, unpack
from recsys.data.ingest.fast_csv import OTHER, FastForm, parse_texts
from recsys.data.ingest.parse import Reading
from recsys.data.ingest.rows import FILE, POSITION
from recsys.data.ingest.rows import HEADER as HEADERS
from recsys.data.scale import Scale
from recsys.data.sources.layout import TextLayout
from recsys.data.sources.times import Times

HEADER = "userId,movieId,rating,timestamp"
ORDER = {USER: 0, MOVIE: 1, RATING: 2, TIMESTAMP: 3}
NUMBERED = 7


def form_of(
    separator: str = ",",
    header: str | None = HEADER,
    positions: dict[str, int] = ORDER,
    fields: int = 4,
    integers: bool = True,
) -> FastForm:
    layout = TextLayout(separator, False, "UTF-8", header, positions, fields)
    form = FastForm.of(layout, Reading(integers, integers))
    assert form is not None
    return form


def parse(lines: list[str], form: FastForm, size: int = 3, task: int = 0):
    """The parsed rows with their position, the positions and texts of the others, and the number of headers."""
    pieces = [lines[start : start + size] for start in range(0, len(lines), size)]
    texts = [("".join(f"{one}\n" for one in piece).encode(), NUMBERED) for piece in pieces]
    rows, other, headers = [], [], 0
    for chunk in parse_texts(texts, form, task):
        (row_of_chunk,) = chunk.to_pylist()
        headers += row_of_chunk[HEADERS]
        table = unpack(row_of_chunk[TABLE]).to_pylist() if row_of_chunk[TABLE] else []
        assert row_of_chunk[READ] == len(table) + row_of_chunk[HEADERS]
        assert all(row[FILE] == NUMBERED for row in table)
        rows += [(row[POSITION], row[USER], row[MOVIE], row[RATING], row.get(TIMESTAMP)) for row in table]
        other += [(line[POSITION], line["value"]) for line in row_of_chunk[OTHER] or []]
        assert all(line[FILE] == NUMBERED for line in row_of_chunk[OTHER] or [])
    return rows, other, headers


def test_lines_are_parsed_fast_and_the_others_kept_with_their_position() -> None:
    lines = [
        HEADER,
        "1,10,4.0,100",
        "",
        "2,20,3.5,-5",
        "x,1,3,1",
        "3,30,5,",
        '4,"40",1,1',
        HEADER,
        "5,50,0.5,9",
        "6,60",
    ]
    rows, other, headers = parse(lines, form_of(), task=2)
    start = 2 << 33
    assert rows == [(start + 1, 1, 10, 4.0, 100), (start + 3, 2, 20, 3.5, -5), (start + 8, 5, 50, 0.5, 9)]
    assert other == [(start + place, lines[place]) for place in (4, 5, 6, 9)]
    assert headers == 2


@pytest.mark.parametrize(
    ("separator", "line"),
    [("::", "1::10::4.5::100"), ("\t", "1\t10\t4.5\t100"), ("|", "1|10|4.5|100"), ("-", "1-10-4.5-100")],
)
def test_separators(separator: str, line: str) -> None:
    assert parse([line], form_of(separator, None)) == ([(0, 1, 10, 4.5, 100)], [], 0)


def test_columns_in_another_order_and_no_timestamp() -> None:
    form = form_of(positions={RATING: 0, MOVIE: 2, USER: 4}, fields=5)
    assert parse(["4.5,note,10,,1", "3,,20,x,2"], form) == ([(0, 1, 10, 4.5, None), (1, 2, 20, 3.0, None)], [], 0)


@pytest.mark.parametrize(
    "line", ["1e3,1,1,1", "1.5,1,1,1", "0x10,1,1,1", "9223372036854775808,1,1,1", "1,1,NaN,1", "1,1,1,1,1", "1-2,1,1,1",
             " 1,1,1,1", "1,1,,1", "1,1,--1,1", "1,1,1.2.3,1", "-,1,1,1", "1,1,1"],
)  # fmt: skip
def test_other_forms_are_for_the_full_parser(line: str) -> None:
    assert parse(["7,8,1.5,2", line], form_of()) == ([(0, 7, 8, 1.5, 2)], [(1, line)], 0)


def test_layouts_for_the_full_parser_alone() -> None:
    reading = Reading(True, True)
    layout = TextLayout(",", True, "UTF-8", None, ORDER, 4)
    assert FastForm.of(layout, reading) is not None
    assert FastForm.of(replace(layout, encoding="ISO-8859-1"), reading) is None
    assert FastForm.of(replace(layout, decimal=","), reading) is None
    assert FastForm.of(layout.by_records("a reason"), reading) is None
    assert FastForm.of(layout, replace(reading, times=Times("dates", 1, 10**6))) is None
    assert FastForm.of(None, reading) is None


def test_text_ids_are_parsed_fast_as_they_are() -> None:
    lines = ["01,tt-7,4.5,1", "1,10,3,2", "\xe4,1,3,2", "a b,1,3,2", "7,é,1,1"]
    rows, other, _ = parse(lines, form_of(integers=False))
    assert rows == [(0, "01", "tt-7", 4.5, 1), (1, "1", "10", 3.0, 2)]
    assert [text for _, text in other] == lines[2:]


def test_rows_without_ratings_are_ratings_of_one() -> None:
    form = form_of(positions={USER: 0, MOVIE: 1}, fields=2, header=None)
    assert parse(["1,10", "2,20"], form)[0] == [(0, 1, 10, 1.0, None), (1, 2, 20, 1.0, None)]


@pytest.mark.parametrize("line", ["01,1,1,1", "1,001,1,1", "1,00,2,2", "-01,1,1,1", "1,-0,2,2"])
@pytest.mark.parametrize("first", [True, False])
def test_leading_zeros_are_for_the_full_parser(line: str, first: bool) -> None:
    lines = [line, "10,0,0.5,0"] if first else ["10,0,0.5,0", line]
    rows, other, _ = parse(lines, form_of())
    assert [row[1:] for row in rows] == [(10, 0, 0.5, 0)]
    assert [text for _, text in other] == [line]


def test_a_header_of_digits_is_a_header() -> None:
    assert parse(["1,2,3,4", "5,6,1.0,8"], form_of(header="1,2,3,4")) == ([(1, 5, 6, 1.0, 8)], [], 1)


number = st.integers(-(10**19), 10**19).map(str) | st.sampled_from(
    ["", ".5", "5.", "007", "-", "1e3", "é", '"1"', " 2"]
)
line = st.lists(number, min_size=1, max_size=5).map(",".join) | st.just(HEADER) | st.just("")
simple = st.tuples(st.integers(0, 10**18 - 1), st.integers(0, 99), st.sampled_from([0.5, 3.0]), st.integers(-9, 10**9))


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(line | simple.map(lambda row: ",".join(map(str, row))), max_size=30), size=st.integers(1, 12))
def test_every_line_comes_out_once_and_right(lines: list[str], size: int) -> None:
    rows, other, headers = parse(lines, form_of(), size=size)
    assert headers == lines.count(HEADER)
    assert len(rows) + len(other) + headers == sum(one != "" for one in lines)
    assert all(lines[place] == text for place, text in other)
    for place, user, movie, rating, time in rows:
        fields = lines[place].split(",")
        assert [user, movie, time] == [int(fields[0]), int(fields[1]), int(fields[3])]
        assert rating == pytest.approx(float(fields[2]), rel=1e-6)
    canonical = re.compile(r"(?:0|[1-9]\d{0,17}),(?:0|[1-9]\d{0,17}),\d{1,9}(\.\d{1,9})?,-?\d{1,18}")
    assert {place for place, one in enumerate(lines) if canonical.fullmatch(one)} <= {row[0] for row in rows}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.none() | st.integers(-(2**63), 2**63 - 1)),
        max_size=9,
    )
)
def test_packing_loses_nothing(rows: list[tuple[int, int, int | None]]) -> None:
    table = pa.table(
        {
            USER: pa.array([row[0] for row in rows], pa.int64()),
            MOVIE: pa.array([str(row[1]) for row in rows], pa.string()),
            TIMESTAMP: pa.array([row[2] for row in rows], pa.int64()),
            POSITION: pa.array([abs(row[0]) >> 1 for row in rows], pa.int64()),
        }
    )
    assert unpack(pack(table)).equals(table)


@pytest.mark.parametrize(("low", "step", "kept"), [(0.7, None, [0.7, 1.5, 3.0]), (0.5, 0.5, [0.5, 1.5, 3.0])])
def test_the_scale(low: float, step: float | None, kept: list[float]) -> None:
    ratings = pa.array([0.5, 0.7, 0.6, 1.5, 3.0, 3.1, float("nan"), float("inf")], pa.float32())
    found = on_scale(pa.table({RATING: ratings}), Scale(low, 3.0, step))[RATING].to_pylist()
    assert found == pytest.approx(kept)


def test_codes_for_not_rated_are_no_ratings() -> None:
    table = pa.table({RATING: pa.array([-1.0, 0.0, 3.5, 99.0], pa.float32())})
    scale = Scale(-1.0, 5.0, None, missing=(-1.0, 99.0))
    assert on_scale(table, scale)[RATING].to_pylist() == [0.0, 3.5]
    assert count_not_rated(table, scale) == 2
