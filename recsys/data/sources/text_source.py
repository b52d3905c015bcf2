"""Sources of text files, from the first bytes of their files and what is known of them. Starts no Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from recsys.catalogue import FileLayout
from recsys.columns import MOVIE, TIMESTAMP, USER, YEAR
from recsys.config import DataConfig
from recsys.config.data import ABSENT
from recsys.data.sources.columns import MOVIES_ORDER, RATINGS_ORDER
from recsys.data.sources.layout import Hints, detect_layout, sample_rows
from recsys.data.sources.source import Source, look_at
from recsys.errors import DataError
from recsys.files import readable_path


def text_source(path: str, heads: Mapping[str, bytes], files: Sequence[str], hints: Hints) -> Source:
    """The source of text files, from the first bytes of some of them. Starts no Spark."""
    filled = {file: head for file, head in heads.items() if head.strip()}
    if not filled:
        raise DataError(f"{path}: is empty: expected rows of {', '.join(hints.order)}")
    layouts = {file: detect_layout(head, hints, readable_path(file)) for file, head in filled.items()}
    (first, layout), *others = layouts.items()
    for file, other in others:
        if (other.positions, other.separator, other.layout) != (layout.positions, layout.separator, layout.layout):
            raise DataError(
                f"{readable_path(file)}: its layout is not that of {readable_path(first)}: "
                "give one file, or files with the same columns"
            )
    with_header = [layout for layout in layouts.values() if layout.header is not None]
    headers = {layout.header for layout in with_header}
    if len(headers) > 1:
        raise DataError(f"{path}: its files have different headers: {' / '.join(sorted(map(str, headers)))[:200]}")
    layout = with_header[0] if with_header else layout
    if any(one.decimal == "," for one in layouts.values()):  # a file of whole numbers alone does not tell
        layout = replace(layout, decimal=",")
    reason = next((one.records for one in layouts.values() if one.records), "")
    rows = [row for file in filled for row in sample_rows(filled[file], layouts[file])]
    look = look_at(rows, list(layout.positions), readable_path(first), layout.decimal, TIMESTAMP in hints.columns)
    if layout.wide is not None and layout.wide.id_column is None and len(files) > 1:
        # users are numbered within each file
        look = replace(look, integer_ids={**look.integer_ids, USER: False})
    # files that were not read are assumed to be as the others
    unseen = len(files) - len(heads) if len(with_header) == len(filled) else 0
    plain = replace(layout, records="")
    source = Source(path, len(files), len(with_header) + unseen, plain, {}, look, tuple(files))
    if look.times is None:
        source = source.without(TIMESTAMP)
    packed = next((file for file in files if file.lower().endswith((".zst", ".zstd", ".xz"))), None)
    reason = reason or (f"it is packed as {packed.rpartition('.')[2]}" if packed else "")
    return source.by_records(reason) if reason else source


def own_hints(data: DataConfig, order: tuple[str, ...]) -> Hints:
    """What the settings say of own files."""
    given = data.columns
    columns = {
        name: value
        for name in (*order, *([YEAR] if order is MOVIES_ORDER else []))
        if (value := getattr(given, name)) is not None
    }
    if order is MOVIES_ORDER:
        if isinstance(columns.get(MOVIE), int):
            del columns[MOVIE]  # a position in the ratings is not one in the movies
        if given.movie_in_movies is not None:
            columns[MOVIE] = given.movie_in_movies
    layout = data.layout if order is RATINGS_ORDER else "long"
    return Hints(order, columns, data.separator, data.header, data.encoding, None, data.decimal, layout)


def catalogue_hints(layout: FileLayout, order: tuple[str, ...]) -> Hints:
    """What the catalogue says of a file."""
    # what the layout does not name is not in the file, whatever stands at its position in MovieLens' files
    columns = {name: layout.columns.get(name, ABSENT) for name in (*order, YEAR)} if layout.columns else {}
    return Hints(
        order,
        columns,
        layout.separator,
        layout.header,
        layout.encoding,
        layout.quoted,
        layout.decimal,
        layout.layout,
        layout.rest_of_line,
        layout.skipped_columns if layout.layout == "wide" else None,
    )
