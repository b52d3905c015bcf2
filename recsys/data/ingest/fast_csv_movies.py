"""Files of movies in the plain form of MovieLens' own, parsed by the driver before Spark would have planned a task.

One line of any other form, and the parser of all layouts (`recsys.data.ingest.parse`) gets the whole file; both
give the same for such lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from recsys.columns import MOVIE, TITLE, YEAR
from recsys.data.ingest.byte_ranges import read_texts, readable, tasks_of
from recsys.data.ingest.parse import FILE, HEADER, POSITION, REASON, YEAR_PATTERN
from recsys.data.sources.layout import UNDECODABLE, TextLayout

if TYPE_CHECKING:
    from recsys.data.sources.files import Source  # what executors import stays small

_MOST_BYTES = 1 << 26  # of all files together: ml-32m's are 4 MB
_YEAR = re.compile(YEAR_PATTERN, re.ASCII)  # what Java means by \s and \d
_STRANGE = re.compile(rf"[\x00-\x1f\x7f\x85\u2028\u2029{UNDECODABLE}]")  # what one of the two may take for a line's end


def read_plain_movies(source: Source, integer_ids: bool) -> pd.DataFrame | None:
    """The rows of the files (movie, title, year, reason, position, file), as `parse_movies` gives them.

    None where that parser is needed: for other than small local files of UTF-8 with integer ids, and for odd lines.
    """
    layout = source.layout
    tasks = tasks_of([readable(name) for name in source.names]) if source.names else None
    if layout is None or layout.encoding != "UTF-8" or not integer_ids or tasks is None:
        return None
    ranges = [one for task in tasks for one in task]
    if sum(one.end - one.start for one in ranges) > _MOST_BYTES:
        return None
    try:
        texts = [(one.file, b"".join(read_texts(one)).decode()) for one in ranges]
    except UnicodeDecodeError:
        return None
    return parse_plain_movies(layout, [(file, line) for file, text in texts for line in text.split("\n")])


def parse_plain_movies(layout: TextLayout, lines: Sequence[tuple[int, str]]) -> pd.DataFrame | None:
    """The rows of lines, each with the number of its file; None where one is not plain. Blank lines are no rows."""
    found = list(_rows(layout, lines))
    if None in found:
        return None
    return pd.DataFrame(found, columns=[MOVIE, TITLE, YEAR, REASON, POSITION, FILE])


def _rows(layout: TextLayout, lines: Sequence[tuple[int, str]]) -> Iterator[tuple[object, ...] | None]:
    pattern = re.compile(_pattern(layout))
    for position, (file, line) in enumerate(lines):
        if line == layout.header:
            yield 0, "", None, HEADER, position, file
        elif line:
            match = None if _STRANGE.search(line) else pattern.fullmatch(line)
            if match is None:
                yield None
                return
            title = match["plain"] if match["plain"] is not None else match["quoted"].replace('""', '"')
            year = _YEAR.search(title)
            yield int(match["id"]), title.strip(" "), int(year[1]) if year else None, None, position, file


def _pattern(layout: TextLayout) -> str:
    """What a plain line matches: an id of digits, and quotes only around a whole title."""
    separator = re.escape(layout.separator)
    field = rf'(?:(?!{separator})[^"])*'
    forms = {MOVIE: r"(?P<id>[0-9]{1,18})", TITLE: f"(?P<plain>{field})(?P<quoted>)?"}
    if layout.quoted:
        forms[TITLE] = rf'(?:(?P<plain>{field})|"(?P<quoted>(?:[^"]|"")*)")'
    names = {place: name for name, place in layout.positions.items()}
    fields = [forms.get(names.get(place, ""), field) for place in range(layout.width)]
    return separator.join(fields) + rf'(?:{separator}[^"]*)?'
