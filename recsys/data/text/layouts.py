"""The layout of a text file, from its first lines: a rating a row, a matrix, or the blocks of the Netflix prize.

Where the lines do not prove another layout it is "long". Pure functions; lines are whole, without their ends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from recsys.data.text.fields import BLANKS, FieldParser
from recsys.data.text.records import LONG, NETFLIX, NOT_A_CELL, WIDE

_LINES = 200  # how many lines are looked at
_SEPARATORS = ("::", "\t", ";", "|")  # of which a file aligned by blanks has none
_BLANKS_FIELDS = 3  # at least: user, movie, rating
_BLANKS_LINES = 3  # at least, where no two blanks stand together
_SAME = 0.95  # of the lines are cut into the same number of fields
_ALIGNED = re.compile(r"\S {2,}\S|^ +\S")
_OTHER_COMMA = re.compile(r"(?<!\d),|,(?!\d)")
_HEADING = re.compile(r"\s*\d+:\s*", re.ASCII)
_COMMA = re.compile(r"\s*[-+]?(\d+),(\d+)\s*", re.ASCII)
_POINT = re.compile(r"\s*[-+]?\d+\.\d+\s*", re.ASCII)
_THOUSAND = 3  # so many digits behind a comma may be thousands

_WIDE_COLUMNS = 8  # at least; files with a rating a row have 3 to 6
_WIDE_CELLS = 24  # at least, for a proof
_CODES = 3  # how many of the most common values may be the code for "not rated"
_CODE_SHARE = 0.2  # of the cells
_FOLLOWING = 3  # numbers at least that follow each other, to be ids
_COMPARED = 5  # values a column needs to be compared with the others
_VALUES = 3  # different values at least: a matrix of 0 and 1 may be flags
_NUMBER = re.compile(r"\s*[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?\s*", re.ASCII)
_ID_NAME = re.compile(r"|id|.*(?:user|reviewer|rater|member|customer).*|.*[_ ]id", re.IGNORECASE)
_LONG_NAME = re.compile(r".*(?:rating|title|genre|timestamp).*|.*(?:movie|item)[_ ]?id", re.IGNORECASE)

Numbers = Sequence[Sequence[float | None]]  # rows of cells, None where a cell is empty or text


@dataclass(frozen=True)
class WideShape:
    """Where a matrix with a user a row has what. Columns are 0-based."""

    has_header: bool  # the first row holds names
    id_column: int | None  # the user's id; None: there is none
    count_column: int | None  # the number of ratings in the row; None: there is none
    first_value_column: int  # the first movie
    missing: float | None  # the code of cells that are not rated; None where the number of ratings proves none


def told_layout(lines: Sequence[str], separator: str) -> str:
    """The layout of a file that starts with these lines: "long", "wide" or "netflix"."""
    first = next((line for line in lines if line.strip()), "")
    if _HEADING.fullmatch(first):
        return NETFLIX
    return LONG if told_wide(lines, separator) is None else WIDE


def told_blanks(lines: Sequence[str]) -> bool:
    """Whether blanks separate the fields, a run of them as one: 3 fields or more, as many in each line."""
    filled = [line for line in lines[:_LINES] if line.strip()]
    if any(separator in line.strip() for line in filled for separator in _SEPARATORS):
        return False
    # a comma may be that of a decimal, but in no id: 1,101 Dalmatians (1996)
    if any(_OTHER_COMMA.search(line) or "," in line.split()[0] for line in filled):
        return False
    if len(filled) < (1 if any(map(_ALIGNED.search, filled)) else _BLANKS_LINES):
        return False
    fields, same = _fields_and_lines(filled, BLANKS)
    return fields >= _BLANKS_FIELDS and same >= _SAME * len(filled) and fields > _fields_and_lines(filled, ",")[0]


def told_decimal(lines: Sequence[str], separator: str) -> str:
    """What stands before the decimals of the numbers: "," or "."."""
    fields = [field for row in _rows(lines, separator) for field in row]
    commas = [match for field in fields if (match := _COMMA.fullmatch(field))]
    decimals = any(len(match[2]) != _THOUSAND or match[1].startswith("0") for match in commas)
    points = sum(_POINT.fullmatch(field) is not None for field in fields)
    return "," if decimals and len(commas) > points else "."


def told_wide(lines: Sequence[str], separator: str, given: bool = False) -> WideShape | None:
    """The shape of a matrix with a user a row; None where the lines do not prove that it is one.

    They prove it where all rows have the same number of cells, 8 or more, all of them numbers or empty but for one
    column of ids, and where no column of values lies apart from all others, as ids and times do. A column is the number
    of ratings where it equals, in every row, the number of cells that are not empty or one certain value, the code.

    Args:
        lines: the first ones of the file.
        separator: between cells.
        given: whether the settings say that it is a matrix, so that only its shape is in question.
    """
    rows = _rows(lines, separator)
    width = max(map(len, rows), default=0)
    if not given and (len(rows) < 2 or width < _WIDE_COLUMNS or any(len(row) < width for row in rows)):
        return None
    rows = [row + [""] * (width - len(row)) for row in rows]
    has_header = _has_header(rows)
    names, cells = ([name.strip() for name in rows[0]], rows[1:]) if has_header else ([], rows)
    texts = [column for column in range(width) if any(_is_text(row[column]) for row in cells)]
    if not given and (
        len(cells) * width < _WIDE_CELLS
        or any(map(_LONG_NAME.fullmatch, names))
        or len(texts) > 1
        or any(column > 1 for column in texts)
    ):
        return None
    values = [[_number(cell) for cell in row] for row in cells]
    ids = [column for column in range(min(width, 2)) if _are_ids(cells, values, column, names)]
    for count, ident in ((0, None), (1, 0), (0, 1)):
        first = 1 if ident is None else 2
        if cells and width > first and (ident in ids or (ident is None and not texts)):
            codes = _proven_codes(values, count, first)
            if codes is not None:
                return WideShape(has_header, ident, count, first, codes[0] if codes else None)
    ident = 0 if 0 in ids else None
    first = 0 if ident is None else 1
    if not given and (texts not in ([], [ident]) or not _is_one_scale(values, first)):
        return None
    return WideShape(has_header, ident, None, first, None)


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    parser = FieldParser(separator, quoted=True)
    return [parser.split(line) for line in lines[:_LINES] if line.strip()]


def _fields_and_lines(lines: Sequence[str], separator: str) -> tuple[int, int]:
    """(the most common number of fields, how many lines have it)."""
    return Counter(map(len, _rows(lines, separator))).most_common(1)[0]


def _number(cell: str) -> float | None:
    return float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else None


def _is_text(cell: str) -> bool:
    return _number(cell) is None and cell.strip().lower() not in NOT_A_CELL


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: text, or ascending integers where all others have gaps or repeated values."""
    if len(rows) < 2:
        return False
    first, others = rows[0], rows[1:]
    texts = [column for column in range(2, len(first)) if _is_text(first[column])]
    if texts:
        return not all(any(_is_text(row[column]) for row in others) for column in texts)
    names = [number for name in first[1:] if (number := _number(name)) is not None and number.is_integer()]
    if len(names) < len(first) - 1 or names != sorted(set(names)):
        return False
    return all(len({_number(cell) for cell in row[1:]} - {None}) < len(names) for row in others)


def _are_ids(cells: Sequence[Sequence[str]], values: Numbers, column: int, names: Sequence[str]) -> bool:
    """Whether a column holds users: each once, as text, under such a name, or as numbers that follow each other."""
    texts = [row[column].strip() for row in cells]
    if not texts or "" in texts or len(set(texts)) < len(texts):
        return False
    numbers = [row[column] for row in values]
    if None in numbers or (names and _ID_NAME.fullmatch(names[column])):
        return True
    integers = [int(number) for number in numbers if number is not None and number.is_integer()]
    if len(integers) >= _FOLLOWING and integers == list(range(integers[0], integers[0] + len(texts))):
        return True
    others = [value for row in values for value in row[2:] if value is not None]
    return len(integers) == len(texts) and bool(others) and min(integers) > max(others)


def _proven_codes(values: Numbers, count: int, first: int) -> list[float] | None:
    """The code with which a column is the number of ratings in each row, or [] where it is that of filled cells.

    None where it is neither, or where it may be so by chance: few rows, or full ones, and numbers like ratings.
    """
    totals = [row[count] for row in values]
    common = Counter(value for row in values for value in row[first:] if value is not None).most_common(_CODES)
    for code in (None, *(value for value, _ in common)):
        rated = [[value for value in row[first:] if value is not None and value != code] for row in values]
        numbers = [float(len(row)) for row in rated]
        if numbers != totals:
            continue
        ratings = [value for row in rated for value in row]
        by_chance = ratings and any(min(ratings) <= number <= max(ratings) for number in numbers)
        if (not by_chance and len(values) > 1) or (len(values) >= _COMPARED and min(numbers) < len(values[0]) - first):
            return [] if code is None else [code]
    return None


def _is_one_scale(values: Numbers, first: int) -> bool:
    """Whether the values of each column lie within those of the others, without the code for "not rated"."""
    counts = Counter(value for row in values for value in row[first:] if value is not None)
    if not counts:
        return False
    common, times = counts.most_common(1)[0]
    code = common if times >= _CODE_SHARE * len(values) * (len(values[0]) - first) else None
    if len(counts.keys() - {code}) < _VALUES:
        return False
    columns = [[row[column] for row in values] for column in range(first, len(values[0]))]
    rated = [[value for value in column if value is not None and value != code] for column in columns]
    rated = [column for column in rated if column]
    lows, highs = sorted(map(min, rated)), sorted(map(max, rated))
    if len(rated) < _WIDE_COLUMNS - 1:
        return False
    for column in rated:
        low = lows[min(column) == lows[0]]
        high = highs[-1 - (max(column) == highs[-1])]
        if len(column) >= _COMPARED and not low <= median(column) <= high:
            return False
    return True
