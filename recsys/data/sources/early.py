"""A look at own files of this machine before Spark starts: what cannot be read is refused within a second."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass

from recsys.columns import MOVIE, RATING, USER
from recsys.config import DataConfig
from recsys.data.sources.columns import MOVIES_ORDER, RATINGS_ORDER
from recsys.data.sources.layout import HEAD_BYTES, UNDECODABLE, sample_rows
from recsys.data.sources.local import head_of, is_document
from recsys.data.sources.meaning import RATINGS, own_sources
from recsys.data.sources.source import Source, Sources, as_number
from recsys.data.sources.text_source import own_hints, text_source
from recsys.errors import DataError

_FILES = 20
_HOPELESS = 0.9  # of the first rows: so many bad ones are not made good by later rows
_EXAMPLES = 3


@dataclass(frozen=True)
class _Looked:
    source: Source
    rows: list[dict[str, str]]
    whole: bool  # whether these are all rows


def look_early(data: DataConfig) -> list[str]:
    """Warnings of own text files that are on this machine; none where the files are elsewhere, or Parquet.

    Raises:
        DataError: a file does not exist, has no layout that can be read, or holds hardly a row that can be used.
    """
    if not data.ratings:
        return []
    movies = _look(data, data.movies, MOVIES_ORDER) if data.movies else None
    ratings = _look(data, data.ratings, RATINGS_ORDER)
    if ratings is None:
        return []
    sources = own_sources(ratings.source, movies.source if movies else None, data)
    if movies is not None and movies.whole:
        _check_movies(ratings, movies, data)
    return _check_rows(ratings, sources, data)


def _look(data: DataConfig, path: str, order: tuple[str, ...]) -> _Looked | None:
    files = _local_files(path)
    if not files:
        return None
    heads = {file: head_of(file) for file in files[:_FILES]}
    if any(head.startswith(b"PAR1") for head in heads.values()):
        return None
    source = text_source(path, heads, files, own_hints(data, order))
    assert source.layout is not None
    rows = [row for head in heads.values() for row in sample_rows(head, source.layout)]
    whole = len(files) == len(heads) and all(len(head) < HEAD_BYTES for head in heads.values())
    return _Looked(source, rows, whole)


def _local_files(path: str) -> list[str]:
    """The files of a path of this machine; none where it is no such path, or a glob with a meaning of Hadoop's own."""
    path = path.removeprefix("file://") if path.startswith("file:///") else path
    if "://" in path:
        return []
    if os.path.isdir(path):
        files = [entry.path for entry in sorted(os.scandir(path), key=lambda entry: entry.name) if entry.is_file()]
        files = [file for file in files if not os.path.basename(file).startswith((".", "_"))]
        return [file for file in files if not is_document(file)] or files
    if os.path.exists(path):
        return [path]
    if any(sign in path for sign in "{}\\"):
        return []
    if any(sign in path for sign in "*?["):
        return sorted(file for file in glob.glob(path) if os.path.isfile(file))
    raise DataError(f"{path}: no such file")


def _check_movies(ratings: _Looked, movies: _Looked, data: DataConfig) -> None:
    """DataError where no movie of the ratings is among the movies."""
    known = {_plain_id(row.get(MOVIE, "")) for row in movies.rows}
    rated = [_plain_id(row[MOVIE]) for row in ratings.rows if row.get(MOVIE)]
    if rated and known and not known & set(rated):
        raise DataError(
            f"{data.ratings}: none of its first {len(rated):,} ratings is of a movie in {data.movies}: their ids are "
            f"such as {rated[0]!r}, in the movies {sorted(known)[0]!r}: name the columns of ids in data.columns.movie "
            "and data.columns.movie_in_movies"
        )


def _plain_id(text: str) -> str:
    whole, _, decimals = text.partition(".")
    return text if decimals.strip("0") or not whole.isdigit() else whole


def _check_rows(ratings: _Looked, sources: Sources, data: DataConfig) -> list[str]:
    """A warning of bad rows among the first; DataError where they end the run."""
    bad: dict[str, list[Mapping[str, str]]] = {}
    for row in ratings.rows:
        if reason := _reason(row, sources):
            bad.setdefault(reason, []).append(row)
    count, every = sum(map(len, bad.values())), len(ratings.rows)
    if not every and ratings.whole:
        raise DataError(f"{data.ratings}: holds no row but its header")
    if count <= data.max_rejected * every:
        return []
    rows = f"all {every:,}" if ratings.whole else f"the first {every:,}"
    reasons = "; ".join(
        f"{reason}: {len(found):,}, such as " + ", ".join(repr(" ".join(row.values())) for row in found[:_EXAMPLES])
        for reason, found in bad.items()
    )
    text = f"{data.ratings}: of {rows} rows {count:,} cannot be used ({reasons})"
    if ratings.whole or count > _HOPELESS * every:
        raise DataError(
            f"{text}: correct the file, set its layout (data.separator, data.columns, data.decimal, data.rating_min, "
            "data.rating_max), or raise data.max_rejected"
        )
    return [text]


def _reason(row: Mapping[str, str], sources: Sources) -> str | None:
    if not row.get(USER) or not row.get(MOVIE):
        return "without a user or a movie"
    if UNDECODABLE in row[USER] + row[MOVIE]:
        return "with bytes that are not in the encoding: set data.encoding, such as 'cp1252'"
    layout = sources.ratings.layout
    if sources.feedback != RATINGS or layout is None or RATING not in layout.positions:
        return None
    number = as_number(row.get(RATING, ""), layout.decimal)
    if number is None:
        return "without a rating that is a number"
    scale = sources.scale
    if number in scale.missing or scale.low <= number <= scale.high:
        return None
    return f"off the scale of {scale}"
