"""Ratings and movies before they are read: where they are, how they are laid out, and what their first rows say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.data.scale import Scale
from recsys.data.sources.ids import are_integers
from recsys.data.sources.layout import TextLayout
from recsys.data.sources.times import SECONDS, Times, told_times
from recsys.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Look:
    """What the first rows of a source say of its columns."""

    integer_ids: Mapping[str, bool]
    """Of user and movie: whether the ids look like integers."""
    values: Mapping[float, int] = field(default_factory=dict)
    """How often each rating occurs in these rows."""
    rows: int = 0
    times: Times | None = SECONDS
    """How times are read; None where there is a column of times that is not read."""
    notes: tuple[str, ...] = ()
    """Sentences on what was told from the rows or is not read, for the screen and the report."""


@dataclass(frozen=True)
class Source:
    """Rows of one kind, ratings or movies, and how they are read."""

    path: str  # of a DataFrame its name in messages
    files: int  # how many files the path names
    headers: int  # how many of them start with the header
    layout: TextLayout | None  # None for Parquet and DataFrames
    columns: Mapping[str, str]  # Parquet and DataFrames: our column name -> theirs
    look: Look
    names: tuple[str, ...] = ()  # the files in order, as Spark names them
    frame: DataFrame | None = field(default=None, compare=False, repr=False)  # the rows where they are in no file
    read_from: tuple[str, ...] = ()  # what Spark reads, where it is not just the path

    @property
    def integer_ids(self) -> Mapping[str, bool]:
        """Of user and movie: whether the ids look like integers."""
        return self.look.integer_ids

    @property
    def spark_paths(self) -> list[str]:
        """The paths, as Spark takes them."""
        return list(self.read_from or (self.path,))

    @property
    def has_ratings(self) -> bool:
        """Whether the rows have a column of ratings or counts."""
        return RATING in (self.layout.positions if self.layout else self.columns)

    @property
    def has_times(self) -> bool:
        """Whether the rows have a column of times."""
        return TIMESTAMP in (self.layout.positions if self.layout else self.columns)

    def by_records(self, reason: str) -> Source:
        """The same source, read one record after the other for that reason."""
        if self.layout is None or self.layout.records:
            return self
        notes = (*self.look.notes, f"{self.path} is read by one task a file, as {reason}")
        return replace(self, layout=self.layout.by_records(reason), look=replace(self.look, notes=notes))

    def without(self, column: str) -> Source:
        """The same source without one of its columns."""
        if self.layout is None:
            return replace(self, columns={name: theirs for name, theirs in self.columns.items() if name != column})
        positions = {name: position for name, position in self.layout.positions.items() if name != column}
        return replace(self, layout=replace(self.layout, positions=positions))


class Size(NamedTuple):
    """How large a data set is, where that is known beforehand."""

    ratings: int
    users: int
    movies: int  # with or without ratings


@dataclass(frozen=True)
class Sources:
    """The ratings, the movies where there are any, and what a row of ratings says."""

    ratings: Source
    movies: Source | None
    scale: Scale
    feedback: str = "ratings"  # "ratings", "likes" or "counts"
    scale_told: bool = False  # from the data themselves, so that more of them may widen it
    best_rmse: float | None = None  # generated data: the lowest RMSE that any model can reach
    size: Size | None = None  # of catalogue and generated data
    notes: tuple[str, ...] = ()

    def integer_ids(self, name: str, id_type: str) -> bool:
        """Whether ids of `name` (user or movie) are read as integers."""
        if id_type != "auto":
            return id_type == "integer"
        both = [self.ratings, self.movies] if name == MOVIE and self.movies else [self.ratings]
        return all(source.integer_ids[name] for source in both)

    @property
    def every_note(self) -> list[str]:
        """All notes, those of the files first."""
        of_files = [note for source in (self.ratings, self.movies) if source for note in source.look.notes]
        return list(dict.fromkeys([*of_files, *self.notes]))


def look_at(rows: Sequence[Mapping[str, str]], names: Sequence[str], file: str, decimal: str, explicit: bool) -> Look:
    """What rows (our column names and text) say of the columns `names`.

    `explicit` is whether the settings name the column of times: then DataError where it holds no times, else the note
    says that they are not read.
    """
    ids = {name: are_integers([row[name] for row in rows if row.get(name)]) for name in (USER, MOVIE) if name in names}
    values: dict[float, int] = {}
    for row in rows:
        number = as_number(row.get(RATING, ""), decimal)
        if number is not None:
            values[number] = values.get(number, 0) + 1
    times: Times | None = SECONDS
    notes: tuple[str, ...] = ()
    if TIMESTAMP in names:
        texts = [row[TIMESTAMP] for row in rows if row.get(TIMESTAMP)]
        times = told_times(texts)
        if times is None:
            text = f"{file}: its times, such as {texts[0]!r}, are neither numbers nor dates as 2005-09-02 12:00:00"
            if explicit:
                raise DataError(f"{text}: set data.columns.timestamp = 'none' to leave them out")
            notes = (f"{text}: they are not read, and of two ratings of a movie by a user the last row counts",)
    return Look(ids, values, len(rows), times, notes)


def as_number(text: str, decimal: str = ".") -> float | None:
    """The number in the text; None where there is none."""
    if decimal != ".":
        text = text.replace(decimal, ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number - number == 0 else None
