"""Movies that the driver parses by itself, before Spark would have planned a task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recsys.columns import MOVIE, TITLE, YEAR
from recsys.data.ingest.byte_ranges import read_texts, tasks_of
from recsys.data.ingest.fast_csv import INTEGER
from recsys.data.ingest.parse import YEAR_PATTERN
from recsys.data.ingest.rows import FILE, HEADER, POSITION, REASON
from recsys.data.sources.layout import UNDECODABLE, TextLayout
from recsys.files import readable_path

if TYPE_CHECKING:
    import pandas as pd

    from recsys.data.sources.source import Source

_MOVIES_BYTES = 1 << 26  # of all files of movies together, at most: ml-32m's are 4 MB
_YEAR = re.compile(YEAR_PATTERN, re.ASCII)  # what Java means by \s and \d
_CONTROL = re.compile(rf"[\x00-\x1f\x7f\x85\u2028\u2029{UNDECODABLE}]")  # some parsers end a line at some of these


def read_movies(source: Source, integer_ids: bool) -> pd.DataFrame | None:
    """The rows of a source of movies (movie, title, year, reason, position, file), parsed by the driver itself.

    That is done before Spark would have planned a task. The rows are those of `parse_movies`. None where the full
    parser is needed: the files are large, remote or not in UTF-8, ids are text, or a line has another form.
    """
    layout = source.layout
    tasks = tasks_of([readable_path(name) for name in source.names]) if source.names else None
    if layout is None or layout.records or layout.rest_of_line or YEAR in layout.positions:
        return None
    if layout.encoding != "UTF-8" or not integer_ids or tasks is None:
        return None
    ranges = [part for task in tasks for part in task]
    if sum(part.end - part.start for part in ranges) > _MOVIES_BYTES:
        return None
    try:
        texts = [(part.file, b"".join(read_texts(part)).decode()) for part in ranges]
    except UnicodeDecodeError:
        return None
    return parse_movie_lines(layout, [(file, line) for file, text in texts for line in text.split("\n")])


def parse_movie_lines(layout: TextLayout, lines: Sequence[tuple[int, str]]) -> pd.DataFrame | None:
    """The rows of lines, each with the number of its file; None where a line has another form. No row for a blank."""
    import pandas as pd  # here, so that executors import little

    rows = list(_movie_rows(layout, lines))
    if None in rows:
        return None
    return pd.DataFrame(rows, columns=[MOVIE, TITLE, YEAR, REASON, POSITION, FILE])


def _movie_rows(layout: TextLayout, lines: Sequence[tuple[int, str]]) -> Iterator[tuple[object, ...] | None]:
    pattern = re.compile(_movie_pattern(layout))
    for position, (file, line) in enumerate(lines):
        if line == layout.header:
            yield 0, "", None, HEADER, position, file
        elif line:
            match = None if _CONTROL.search(line) else pattern.fullmatch(line)
            if match is None:
                yield None
                return
            title = match["bare"] if match["bare"] is not None else match["quoted"].replace('""', '"')
            year = _YEAR.search(title)
            yield int(match["id"]), title.strip(" "), int(year[1]) if year else None, None, position, file


def _movie_pattern(layout: TextLayout) -> str:
    """The regular expression of a line of movies: an id of digits, and quotes only around the whole title."""
    separator = re.escape(layout.separator)
    field = rf'(?:(?!{separator})[^"])*'
    forms = {MOVIE: rf"(?P<id>{INTEGER})", TITLE: f"(?P<bare>{field})(?P<quoted>)?"}
    if layout.quoted:
        forms[TITLE] = rf'(?:(?P<bare>{field})|"(?P<quoted>(?:[^"]|"")*)")'
    names = {position: name for name, position in layout.positions.items()}
    fields = [forms.get(names.get(position, ""), field) for position in range(layout.width)]
    return separator.join(fields) + rf'(?:{separator}[^"]*)?'
