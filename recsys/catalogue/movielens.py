"""The releases of MovieLens, by GroupLens of the University of Minnesota.

The layouts, scales, counts and terms are those of the README in each archive, also at
https://files.grouplens.org/datasets/movielens/NAME-README.html; the checksums are those of GroupLens' NAME.zip.md5.
"""

from __future__ import annotations

from recsys.catalogue.types import Download, FileLayout, Release
from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER

_ADDRESS = "https://files.grouplens.org/datasets/movielens/"
_REFERENCE = (
    "F. M. Harper and J. A. Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5 (4), 2015, "
    "https://doi.org/10.1145/2827872"
)
_GENOME = ("tags.csv", "genome-tags.csv", "genome-scores.csv")


def _terms(name: str, redistribution: str) -> str:
    return (
        f"GroupLens: research, with acknowledgement; no commercial use without permission; {redistribution}: "
        f"{_ADDRESS}{name}-README.{'txt' if name in ('ml-100k', 'ml-1m') else 'html'}"
    )


_NOT_PASSED_ON = "not to be passed on without permission"
_PASSED_ON = "to be passed on under the same terms only"


def _zip(name: str, md5: str | None) -> tuple[Download, ...]:
    """The archive of a release. Without `md5` the published .md5 file is read at each download."""
    checksum = md5 and f"md5:{md5}"
    return (Download(f"{_ADDRESS}{name}.zip", "zip", "", checksum, checksum_file=md5 is None),)


def _csv(
    name: str,
    about: str,
    md5: str | None,
    counts: tuple[int, int, int],
    tags: tuple[str, ...],
    redistribution: str = _PASSED_ON,
) -> Release:
    """A release since 2015: CSV with a header, UTF-8, half stars, no rating of 0; counts of users, movies, ratings."""
    users_count, movies_count, ratings_count = counts
    rating_columns = {USER: "userId", MOVIE: "movieId", RATING: "rating", TIMESTAMP: "timestamp"}
    return Release(
        name=name,
        about=about,
        folder=name,
        downloads=_zip(name, md5),
        ratings=FileLayout("ratings.csv", ",", True, "UTF-8", True, rating_columns),
        movies=FileLayout("movies.csv", ",", True, "UTF-8", True, {MOVIE: "movieId", TITLE: "title"}),
        terms=_terms(name, redistribution),
        reference=_REFERENCE,
        rating_min=0.5,
        rating_max=5.0,
        rating_step=0.5,
        integer_ids=True,
        users_count=users_count,
        movies_count=movies_count,
        ratings_count=ratings_count,
        tags=tags,
    )


def _bare(path: str, separator: str, encoding: str, *columns: str) -> FileLayout:
    """A file of the older releases: no header, no quoting, `columns` from the first position on."""
    positions = {name: position for position, name in enumerate(columns, start=1)}
    return FileLayout(path, separator, header=False, encoding=encoding, quoted=False, columns=positions)


_ML_100K = Release(
    name="ml-100k",
    about="MovieLens, 1997 to 1998",
    folder="ml-100k",
    downloads=_zip("ml-100k", "0e33842e24a9c977be4e0107933c0723"),
    ratings=_bare("u.data", "\t", "UTF-8", USER, MOVIE, RATING, TIMESTAMP),
    # u.item has more columns after the title: dates, an address and one flag for each genre
    movies=_bare("u.item", "|", "ISO-8859-1", MOVIE, TITLE),
    terms=_terms("ml-100k", _NOT_PASSED_ON),
    reference=_REFERENCE,
    rating_min=1.0,
    rating_max=5.0,
    rating_step=1.0,
    integer_ids=True,
    users_count=943,
    movies_count=1_682,
    ratings_count=100_000,
)

_ML_1M = Release(
    name="ml-1m",
    about="MovieLens, users who joined in 2000",
    folder="ml-1m",
    downloads=_zip("ml-1m", "c4d9eecfca2ab87c1945afe126590906"),
    ratings=_bare("ratings.dat", "::", "UTF-8", USER, MOVIE, RATING, TIMESTAMP),
    movies=_bare("movies.dat", "::", "ISO-8859-1", MOVIE, TITLE),
    terms=_terms("ml-1m", _NOT_PASSED_ON),
    reference=_REFERENCE,
    rating_min=1.0,
    rating_max=5.0,
    rating_step=1.0,
    integer_ids=True,
    users_count=6_040,
    movies_count=3_883,
    ratings_count=1_000_209,
)

_ML_10M = Release(
    name="ml-10m",
    about="MovieLens, 1995 to 2009",
    folder="ml-10M100K",
    downloads=_zip("ml-10m", "ce571fd55effeba0271552578f2648bd"),
    ratings=_bare("ratings.dat", "::", "UTF-8", USER, MOVIE, RATING, TIMESTAMP),
    movies=_bare("movies.dat", "::", "UTF-8", MOVIE, TITLE),
    terms=_terms("ml-10m", _NOT_PASSED_ON),
    reference=_REFERENCE,
    rating_min=0.5,
    rating_max=5.0,
    rating_step=0.5,
    integer_ids=True,
    # 69,878 of them have ratings, the others only tags
    users_count=71_567,
    movies_count=10_681,
    ratings_count=10_000_054,
    tags=("tags.dat",),
)

MOVIELENS: tuple[Release, ...] = (
    # GroupLens replaces the two releases called latest now and then, so that no checksum holds for ever. The counts
    # are those of September 2018 (small) and of July 2023.
    _csv("ml-latest-small", "MovieLens, a sample for trying things out", None, (610, 9_742, 100_836), ("tags.csv",)),
    _csv("ml-latest", "MovieLens, all of it, 1995 to 2023", None, (330_975, 86_537, 33_832_162), _GENOME),
    _ML_100K,
    _ML_1M,
    _ML_10M,
    _csv(
        "ml-20m",
        "MovieLens, 1995 to 2015",
        "cd245b17a1ae2cc31bb14903e1204af3",
        (138_493, 27_278, 20_000_263),
        _GENOME,
        _NOT_PASSED_ON,
    ),
    _csv(
        "ml-25m",
        "MovieLens, 1995 to 2019",
        "6b51fb2759a8657d3bfcbfc42b592ada",
        (162_541, 62_423, 25_000_095),
        _GENOME,
    ),
    _csv(
        "ml-32m",
        "MovieLens, 1995 to 2023",
        "d472be332d4daa821edc399621853b57",
        (200_948, 87_585, 32_000_204),
        ("tags.csv",),
    ),
)
"""The releases, the two that change first."""
