"""What the catalogue says of a data set: where its files come from, how they are written, what may be done with them.

Facts alone: nothing here reads a row or opens a connection.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

Layout = Literal["long", "wide", "netflix"]
"""A rating a row; a user a row with a column an item; or blocks of a movie, `movie:` and then lines of its ratings."""
Feedback = Literal["ratings", "likes", "counts"]
"""What a row says: a rating on a scale, that the user liked or had the item, or how often."""
Kind = Literal["zip", "tar.gz", "gz", "file"]
"""How a download is packed."""


@dataclass(frozen=True)
class FileLayout:
    """How the text files of one kind, ratings or movies, are written.

    The mapping `columns` is read-only, and a layout can be pickled and used as a key.
    """

    path: str
    """The file, relative to the data set's folder; or a glob of several files that are written alike."""
    separator: str
    """The characters between two fields, one or more; no pattern."""
    header: bool
    """Whether the first line names the columns."""
    encoding: str
    """Any name of an encoding that Python knows."""
    quoted: bool
    """Whether a field may be wrapped in double quotes; where false, quotes are text."""
    columns: Mapping[str, str | int] = field(hash=False)
    """Our column names to the file's: a name where `header` is true, else a position, counted from 1.

    With the layout "wide" and "netflix" it is empty: those layouts have no columns of one meaning.
    """
    layout: Layout = "long"
    """How the rows are arranged."""
    decimal: str = "."
    """What stands before the decimals of a number: a point or a comma."""
    alternatives: tuple[str, ...] = ()
    """Other paths or globs, in order of preference, where nothing matches `path`: the same rows in other files."""
    quote_escape: Literal['"', "\\"] = '"'
    """What stands before a quote within a quoted field: another quote, or a backslash."""
    rest_of_line: bool = False
    """Whether the last of `columns` goes on to the end of the line, with the separators in it."""
    skipped_columns: int = 0
    """With the layout "wide": how many columns stand before the first item's and hold no ratings."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        # a mapping proxy cannot be pickled or deep-copied: both call the constructor instead
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return partial(FileLayout, **{**values, "columns": dict(self.columns)}), ()

    def path_in(self, folder: Path) -> str | None:
        """The first of `path` and `alternatives` that names a file in `folder`; None where none does."""
        return next((path for path in (self.path, *self.alternatives) if files_of(folder, path)), None)


@dataclass(frozen=True)
class Download:
    """One file that a publisher offers, and what becomes of it."""

    url: str
    """Where it is, over HTTPS."""
    kind: Kind
    """How it is packed: an archive (zip, tar.gz), one compressed file (gz) or the file itself."""
    target: str
    """Where it goes, relative to the data folder: the folder to unpack an archive in, else the path of the file."""
    checksum: str | None = None
    """The published one: "md5:", "sha256:" or "git:" (Git's id of a file), and lower-case hexadecimal digits."""
    checksum_file: bool = False
    """Whether the MD5 is published in a file of its own, at `url` + ".md5"."""
    unchecked_because: str = ""
    """Why there is no checksum, where there is none."""


@dataclass(frozen=True)
class Release:
    """One data set of the catalogue."""

    name: str
    """The name in the settings, e.g. "ml-10m"."""
    about: str
    """What it is, in a few words."""
    folder: str
    """The folder of its files below the data folder, e.g. "ml-10M100K"."""
    downloads: tuple[Download, ...]
    """What is fetched for it; empty where nobody offers it to programs, and `by_hand` says what to do."""
    ratings: FileLayout
    movies: FileLayout | None
    """The items' titles; None: the data set has none, or the ratings' rows hold them."""
    terms: str
    """In one line: whose it is, what is allowed, and where that is written."""
    reference: str
    """What to cite."""
    rating_min: float | None = None
    """The lowest rating that can be given; None for counts."""
    rating_max: float | None = None
    """The highest rating that can be given; None for counts."""
    rating_step: float | None = None
    """The distance between two neighbouring ratings; None for counts, and where any value between the two can be."""
    missing: tuple[float, ...] = ()
    """Values in place of a rating that say "not rated"."""
    feedback: Feedback = "ratings"
    """What a row says."""
    integer_ids: bool | None = None
    """Whether the ids of users and items are integers; False: they are text; None: as they look in the file."""
    users_count: int | None = None
    """Users as the publisher counts them; None where no exact count is published."""
    movies_count: int | None = None
    """Items as the publisher counts them, of MovieLens the rows of the movies file; not every one has ratings."""
    ratings_count: int | None = None
    """Rows of the ratings file; with the layout "wide" its ratings."""
    rough_size: str = ""
    """The size as the publisher rounds it, where it gives no exact counts."""
    tags: tuple[str, ...] = ()
    """Files of tags in its folder; no model reads them."""
    by_hand: str = ""
    """Where there is no download: what to fetch from where, and how the folder must look."""


def files_of(folder: Path, path: str) -> list[Path]:
    """The files in `folder` that a path or glob names, sorted; what is no file is left out."""
    # glob and os.path.isfile answer with nothing, where Path raises, for what may not be looked at
    found = glob.glob(os.path.join(glob.escape(str(folder)), path))
    return [Path(file) for file in sorted(found) if os.path.isfile(file)]
