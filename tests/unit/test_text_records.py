"""Records of text files: any encoding, line end and escape gives the same fields; a stray quote harms one record."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.data.text.fields import FieldParser
from recsys.data.text.records import Record, RecordFormat, read_records
from recsys.errors import DataError

CASES = Path(__file__).parents[3] / "shared" / "cases"
ENCODINGS = ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
COMMAS = RecordFormat(",", True, "utf-8")


def records(data: bytes | str, form: RecordFormat = COMMAS) -> list[Record]:
    data = data.encode(form.encoding) if isinstance(data, str) else data
    return list(read_records(io.BytesIO(data), form, "ratings.csv"))


def fields(data: bytes | str, form: RecordFormat = COMMAS) -> list[list[str]]:
    return [record.fields for record in records(data, form)]


# what csv.writer writes

FIELD = st.text("ab1 ,;\t\"\n'é|:", max_size=8)
ROWS = st.lists(st.lists(FIELD, min_size=2, max_size=5), max_size=12)


def written(rows: Sequence[Sequence[str]], separator: str, ending: str, doubled: bool, every: bool) -> str:
    """The rows as csv.writer writes them, with quotes doubled or escaped, around every field or where needed."""
    out = io.StringIO()
    csv.writer(
        out,
        delimiter=separator,
        lineterminator="\n",
        doublequote=doubled,
        escapechar=None if doubled else "\\",
        quoting=csv.QUOTE_ALL if every or not doubled else csv.QUOTE_MINIMAL,
    ).writerows(rows)
    return out.getvalue().replace("\n", ending)


@settings(deadline=None)
@given(
    rows=ROWS,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(ENCODINGS),
    doubled=st.booleans(),
    every=st.booleans(),
)
@example([["1", 'Say "x", she\nsaid'], ["2", '"'], ["3", '",\n"']], ",", "\r\n", "utf-16", False, True)
@example([["1", 'Say "x", she\nsaid'], ["2", '"'], ["3", '",\n"']], ",", "\r", "cp1252", True, False)
def test_what_csv_writes_is_read_back(
    rows: list[list[str]], separator: str, ending: str, encoding: str, doubled: bool, every: bool
) -> None:
    text = written(rows, separator, ending, doubled, every)
    found = records(text.encode(encoding), RecordFormat(separator, True, encoding))
    assert [record.fields for record in found] == rows
    row, expected = 1, []
    for one in rows:
        expected.append(row)
        row += 1 + sum(field.count("\n") for field in one)
    assert [record.row for record in found] == expected
    assert not any(record.stray_quote for record in found)


@settings(deadline=None)
@given(st.lists(st.text('ab",\\ \n', max_size=12), max_size=20), st.sampled_from([",", "::", " "]), st.booleans())
def test_any_lines_are_read_and_none_is_lost(lines: list[str], separator: str, quoted: bool) -> None:
    text = "\n".join(lines)
    found = records(text, RecordFormat(separator, quoted, "utf-8"))
    every = text.split("\n")
    filled = [line for line in every if line.strip(" \t" if separator == " " else "")]
    rows = [record.row for record in found]
    assert rows == sorted(set(rows))
    covered = [line for record in found for line in record.line.split("\n")]
    assert [line for line in covered if line.strip(" \t" if separator == " " else "")] == filled
    for record in found:
        assert every[record.row - 1] == record.line.split("\n")[0]


@given(st.text('ab"| ', max_size=20))
def test_the_fast_and_the_full_parser_agree(line: str) -> None:
    """A separator of two characters takes the full parser."""
    fast = FieldParser("|", True).parse([line], 0, last=True)
    full = FieldParser("::", True).parse([line.replace("|", "::")], 0, last=True)
    assert fast is not None
    assert full is not None
    assert [field.replace("::", "|") for field in full[0]] == fast[0]
    assert full[1:] == fast[1:]


def test_long_files_are_read_in_pieces_with_the_same_rows() -> None:
    """Records of several lines lie across the pieces of 1 MiB that are read at a time."""
    rows = [[str(row), f'Film {row}\nby "é", {"x" * (row % 90)}', "3.5"] for row in range(30_000)]
    for encoding in ("utf-8", "utf-16"):
        data = written(rows, ",", "\r\n", doubled=True, every=False).encode(encoding)
        assert len(data) > 2 << 20
        found = records(data, RecordFormat(",", True, encoding))
        assert [record.fields for record in found] == rows
        assert [record.row for record in found] == list(range(1, 60_000, 2))


# lines


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_line_ends_marks_and_blank_lines(ending: str, encoding: str) -> None:
    mark = "\ufeff" if encoding in ("utf-8", "utf-16-le", "utf-16-be") else ""
    text = mark + ending.join(["u,m,r", "", "1,Café,4", "", "", "2,x,3"])
    expected = [(1, ["u", "m", "r"]), (3, ["1", "Café", "4"]), (6, ["2", "x", "3"])]
    for end in ("", ending, ending * 2):
        found = records((text + end).encode(encoding), RecordFormat(",", True, encoding))
        assert [(record.row, record.fields) for record in found] == expected


def test_other_characters_end_no_line() -> None:
    assert fields("1,a\x0b\x0c\x1c\x85\u2028b,3\n") == [["1", "a\x0b\x0c\x1c\x85\u2028b", "3"]]


def test_bytes_that_do_not_decode_and_nul_are_kept_as_text() -> None:
    assert fields(b'1,Caf\xe9,"\xff"\n2,a\0b,"c\0d"\n') == [["1", "Caf\ufffd", "\ufffd"], ["2", "a\0b", "c\0d"]]


def test_the_text_of_a_record_is_cut() -> None:
    assert [len(record.line) for record in records("1," + "x" * 600 + '\n2,"' + "y\n" * 40 + '"\n')] == [500, 84]


def test_a_file_without_lines_is_refused() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"1" * (1 << 24)

    with pytest.raises(DataError, match=r"^x\.bin: a line has more than .* convert it, or set data\.encoding$"):
        list(read_records(Endless(), COMMAS, "x.bin"))  # type: ignore[arg-type]


# quotes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('1,"Matrix, The",x', ["1", "Matrix, The", "x"]),
        ('1,"A ""b"" c",x', ["1", 'A "b" c', "x"]),
        (r'1,"A \"b, c\" d",x', ["1", 'A "b, c" d', "x"]),
        (r'1,"A \"b"" c",x', ["1", 'A "b" c', "x"]),
        (r'1,"C:\",x', ["1", "C:\\", "x"]),
        (r'1,"a\nb",x', ["1", r"a\nb", "x"]),
        (r'1,"a\\",x', ["1", r"a\\", "x"]),
        ('1,5" film,x', ["1", '5" film', "x"]),
        ('1,"5" film",x', ["1", '5" film', "x"]),
        ('1, "a",x', ["1", ' "a"', "x"]),
        ('"1",,""', ["1", "", ""]),
        ('""', [""]),
    ],
)
def test_quotes(line: str, expected: list[str]) -> None:
    found = records(f"{line}\n2,y,z\n")
    assert [record.fields for record in found] == [expected, ["2", "y", "z"]]
    assert not any(record.stray_quote for record in found)
    double = f"{line}\n2,y,z\n".replace(",", "::").replace(":: The", ", The").replace("b:: c", "b, c")
    assert fields(double, RecordFormat("::", True, "utf-8")) == [expected, ["2", "y", "z"]]


def test_without_quotes_a_quote_is_text() -> None:
    assert fields('1,"a,b"\n', RecordFormat(",", False, "utf-8")) == [["1", '"a', 'b"']]


def test_a_line_within_a_title_may_look_like_a_row() -> None:
    found = records('movieId,title\n1,"Film 1\n2,Film 2 (1999)\n\n3,x"\n4,Film 4\n')
    assert [(record.row, record.fields) for record in found] == [
        (1, ["movieId", "title"]),
        (2, ["1", "Film 1\n2,Film 2 (1999)\n\n3,x"]),
        (6, ["4", "Film 4"]),
    ]
    assert found[1].line == '1,"Film 1\n2,Film 2 (1999)\n\n3,x"'


def test_a_quote_without_an_end_ends_with_its_line() -> None:
    others = [f'{row},"Film {row}",Drama' for row in range(2, 200)]
    found = records("\n".join(['1,"Film 1,Drama', *others]))
    assert [record.stray_quote for record in found] == [True] + [False] * 198
    assert found[0].fields == ["1", "Film 1,Drama"]
    assert [record.row for record in found] == list(range(1, 200))


@pytest.mark.parametrize(("lines", "stray"), [(48, False), (49, True), (4000, True)])
def test_a_quoted_field_spans_at_most_50_lines(lines: int, stray: bool) -> None:
    text = '1,"a\n' + "b,c\n" * lines + 'd"\n'
    found = records(text)
    assert found[0].stray_quote is stray
    assert len(found) == (lines + 2 if stray else 1)


def test_an_open_quote_at_the_end_of_the_file() -> None:
    assert records('1,"a\n2,b') == [Record(1, ["1", "a"], '1,"a', True), Record(2, ["2", "b"], "2,b")]


# blanks


def test_fields_aligned_by_blanks() -> None:
    form = RecordFormat(" ", True, "utf-8")
    text = '  1   10  4.5\n 12\t 7   3 \n   \n 3  "Big  Fish"  "a ""b"""  \n4 "x\n  y" 5\n'
    assert [(record.row, record.fields) for record in records(text, form)] == [
        (1, ["1", "10", "4.5"]),
        (2, ["12", "7", "3"]),
        (4, ["3", "Big  Fish", 'a "b"']),
        (5, ["4", "x\n  y", "5"]),
    ]


# a matrix


def wide(text: str, **given: object) -> list[list[str]]:
    return fields(text, RecordFormat(",", True, "utf-8", "wide", **given))  # type: ignore[arg-type]


def test_a_matrix_with_names() -> None:
    text = 'who,n,"Heat, The",,Alien\nanna,2,4.5,,3\n\nben,1, ,NA,5\n'
    shape = {"header": True, "id_column": 0, "count_column": 1, "first_value_column": 2}
    assert wide(text, **shape) == [["anna", "Heat, The", "4.5"], ["anna", "Alien", "3"], ["ben", "Alien", "5"]]
    rows = records(text, RecordFormat(",", True, "utf-8", "wide", **shape))  # type: ignore[arg-type]
    assert [record.row for record in rows] == [2, 2, 4]


def test_a_matrix_of_numbers_alone() -> None:
    assert wide("2,99,-1.5,0\n\n1,7,99,nan,\n3,1", count_column=0, first_value_column=1) == [
        ["1", "1", "99"],
        ["1", "2", "-1.5"],
        ["1", "3", "0"],
        ["2", "1", "7"],
        ["2", "2", "99"],
        ["3", "1", "1"],
    ]


def test_a_matrix_with_the_id_behind_the_number() -> None:
    assert wide("1,u7,5\n1,u8,4\n", id_column=1, count_column=0, first_value_column=2) == [
        ["u7", "1", "5"],
        ["u8", "1", "4"],
    ]
    assert wide("", header=True) == []


# Netflix' blocks


def test_netflix_blocks_without_dates() -> None:
    form = RecordFormat(",", False, "utf-8", "netflix", row_fields=3)
    assert [record.fields for record in records("1:\n5,4\n6,3,2005-09-01\n2:\n5,1\n", form)] == [
        ["5", "1", "4"],
        ["6,3,2005-09-01"],
        ["5", "2", "1"],
    ]


def test_netflix_blocks() -> None:
    text = "9,4,2005-09-01\n1:\n1,4,2005-09-02\n4,3\n\n1234567:\r\n6,4,2005-09-07\n5,6,7,8\nx:\n"
    assert [(record.row, record.fields) for record in records(text, RecordFormat(",", False, "utf-8", "netflix"))] == [
        (1, ["9,4,2005-09-01"]),
        (3, ["1", "1", "4", "2005-09-02"]),
        (4, ["4,3"]),
        (7, ["6", "1234567", "4", "2005-09-07"]),
        (8, ["5,6,7,8"]),
        (9, ["x:"]),
    ]


def test_another_layout_is_refused() -> None:
    with pytest.raises(DataError, match=r"^ratings\.csv: data\.layout = 'tall': expected long, wide or netflix$"):
        records("1,2\n", RecordFormat(",", True, "utf-8", "tall"))


# files that imitate real ones


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}")
def test_the_cases() -> None:
    def case(name: str, form: RecordFormat) -> list[list[str]]:
        with (CASES / name).open("rb") as stream:
            return [record.fields for record in read_records(stream, form, name)]

    titles = case("faults/newline-in-title/movies.csv", COMMAS)
    assert len(titles) == 41
    assert titles[5] == ["5", "Film 5\nPart two (1955)", "Drama"]
    titles = case("faults/backslash-quotes/movies.csv", RecordFormat(";", True, "utf-8"))
    assert titles[1] == ["1", 'A "x;1" film 1 (1951)', "Drama"]
    assert len(case("netflix.txt", RecordFormat(",", False, "utf-8", "netflix"))) == 720
    cells = case("wide_99.csv", RecordFormat(",", False, "utf-8", "wide", count_column=0, first_value_column=1))
    assert sum(float(value) != 99 for _, _, value in cells) == 720
    assert len({user for user, _, _ in cells}) == 60
    rows = case("decimal_comma_cp1252.csv", RecordFormat(";", True, codecs.lookup("cp1252").name))
    assert rows[1] == ["1", "Café Nº 1 – “1”", "2,5"]


def test_a_quote_without_an_end_does_not_swallow_rows() -> None:
    """Where no field is prose; in prose a line may look like a row."""
    text = b'1,"2,3\n4,5,6\n7,8","9\n1,2,3\n'
    rows = RecordFormat(",", True, "utf-8", row_fields=3)
    assert [record.fields for record in read_records(io.BytesIO(text), rows, "r.csv")][1:2] == [["4", "5", "6"]]
    prose = RecordFormat(",", True, "utf-8")
    assert [record.row for record in read_records(io.BytesIO(text), prose, "r.csv")] == [1, 4]
