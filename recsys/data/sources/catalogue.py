"""What is known of each MovieLens release: its files' layout, its rating scale, its address and its checksum.

Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5 (4), 2015. GroupLens allows research
use and forbids redistribution: the releases are read or downloaded, never shipped with this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER

_ADDRESS = "https://files.grouplens.org/datasets/movielens/"


@dataclass(frozen=True)
class FileLayout:
    """How one text file of a data set is written.

    The mapping `columns` is read-only, and a layout can be pickled and used as a key.
    """

    path: str
    """The file, relative to the data set's folder."""
    separator: str
    """The characters between two fields, one or more; no pattern."""
    header: bool
    """Whether the first line names the columns."""
    encoding: str
    """"UTF-8" or "ISO-8859-1"."""
    quoted: bool
    """Whether a field may be wrapped in double quotes, a quote inside it doubled; where false, quotes are text."""
    columns: Mapping[str, str | int] = field(hash=False)
    """Our column names to the file's: a name where `header` is true, else a position, counted from 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    def __reduce__(self) -> tuple[type[FileLayout], tuple[object, ...]]:
        # a mapping proxy cannot be pickled or deep-copied: both call the constructor instead
        return FileLayout, (self.path, self.separator, self.header, self.encoding, self.quoted, dict(self.columns))


@dataclass(frozen=True)
class Release:
    """One release of MovieLens."""

    name: str
    """The name in the settings, e.g. "ml-10m"."""
    folder: str
    """The one folder inside the archive, e.g. "ml-10M100K"."""
    url: str
    """Where GroupLens publishes the archive, a zip file."""
    md5: str | None
    """The archive's published MD5, 32 lower-case hexadecimal digits; None: it is read from `url` + ".md5"."""
    ratings: FileLayout
    movies: FileLayout
    rating_min: float
    """The lowest rating that can be given, in stars."""
    rating_max: float
    """The highest rating that can be given, in stars."""
    rating_step: float
    """The distance between two neighbouring ratings, in stars."""
    users_count: int
    """Users as the release's README counts them."""
    movies_count: int
    """Rows of the movies file; not every movie has ratings."""
    ratings_count: int
    """Rows of the ratings file."""


def _csv(name: str, md5: str | None, users_count: int, movies_count: int, ratings_count: int) -> Release:
    """A release since 2015: CSV with a header, UTF-8, half stars, no rating of 0."""
    return Release(
        name=name,
        folder=name,
        url=f"{_ADDRESS}{name}.zip",
        md5=md5,
        ratings=FileLayout(
            path="ratings.csv",
            separator=",",
            header=True,
            encoding="UTF-8",
            quoted=True,
            columns={USER: "userId", MOVIE: "movieId", RATING: "rating", TIMESTAMP: "timestamp"},
        ),
        movies=FileLayout(
            path="movies.csv",
            separator=",",
            header=True,
            encoding="UTF-8",
            quoted=True,
            columns={MOVIE: "movieId", TITLE: "title"},
        ),
        rating_min=0.5,
        rating_max=5.0,
        rating_step=0.5,
        users_count=users_count,
        movies_count=movies_count,
        ratings_count=ratings_count,
    )


def _bare(path: str, separator: str, encoding: str, *columns: str) -> FileLayout:
    """A file of the older releases: no header, no quoting, `columns` from the first position on."""
    positions = {name: position for position, name in enumerate(columns, start=1)}
    return FileLayout(path, separator, header=False, encoding=encoding, quoted=False, columns=positions)


_ML_100K = Release(
    name="ml-100k",
    folder="ml-100k",
    url=f"{_ADDRESS}ml-100k.zip",
    md5="0e33842e24a9c977be4e0107933c0723",
    ratings=_bare("u.data", "\t", "UTF-8", USER, MOVIE, RATING, TIMESTAMP),
    # u.item has more columns after the title: dates, an address and one flag for each genre
    movies=_bare("u.item", "|", "ISO-8859-1", MOVIE, TITLE),
    rating_min=1.0,
    rating_max=5.0,
    rating_step=1.0,
    users_count=943,
    movies_count=1_682,
    ratings_count=100_000,
)

_ML_1M = Release(
    name="ml-1m",
    folder="ml-1m",
    url=f"{_ADDRESS}ml-1m.zip",
    md5="c4d9eecfca2ab87c1945afe126590906",
    ratings=_bare("ratings.dat", "::", "UTF-8", USER, MOVIE, RATING, TIMESTAMP),
    movies=_bare("movies.dat", "::", "ISO-8859-1", MOVIE, TITLE),
    rating_min=1.0,
    rating_max=5.0,
    rating_step=1.0,
    users_count=6_040,
    movies_count=3_883,
    ratings_count=1_000_209,
)

_ML_10M = Release(
    name="ml-10m",
    folder="ml-10M100K",
    url=f"{_ADDRESS}ml-10m.zip",
    md5="ce571fd55effeba0271552578f2648bd",
    ratings=_bare("ratings.dat", "::", "UTF-8", USER, MOVIE, RATING, TIMESTAMP),
    movies=_bare("movies.dat", "::", "UTF-8", MOVIE, TITLE),
    rating_min=0.5,
    rating_max=5.0,
    rating_step=0.5,
    # 69,878 of them have ratings, the others only tags
    users_count=71_567,
    movies_count=10_681,
    ratings_count=10_000_054,
)

CATALOGUE: Mapping[str, Release] = MappingProxyType(
    {
        release.name: release
        for release in (
            # GroupLens replaces this release now and then, so that no checksum holds for ever: the published .md5
            # file is read at each download. The counts are those of the release of September 2018.
            _csv("ml-latest-small", None, users_count=610, movies_count=9_742, ratings_count=100_836),
            _ML_100K,
            _ML_1M,
            _ML_10M,
            _csv(
                "ml-20m",
                "cd245b17a1ae2cc31bb14903e1204af3",
                users_count=138_493,
                movies_count=27_278,
                ratings_count=20_000_263,
            ),
            _csv(
                "ml-25m",
                "6b51fb2759a8657d3bfcbfc42b592ada",
                users_count=162_541,
                movies_count=62_423,
                ratings_count=25_000_095,
            ),
            _csv(
                "ml-32m",
                "d472be332d4daa821edc399621853b57",
                users_count=200_948,
                movies_count=87_585,
                ratings_count=32_000_204,
            ),
        )
    }
)
"""Every release by its name in the settings. The checksums are those of GroupLens' `<url>.md5` files."""
