"""Small folders in the shape of each data set of the catalogue, generated: none of their rows is of the real data.

`write(name, data_dir)` writes the folder that `find` finds, and gives what a reader has to find in it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recsys.catalogue import CATALOGUE, Release

USERS, ITEMS = 12, 8
# titles that a wrong encoding, separator or quoting shows in
_TITLES = ("Misérables, Les", "Rock & Roll; Live", "Plain", "Ünï::code", "Two, Three, Four", "1984", "Old", "The End")


@dataclass
class Tiny:
    """What a folder holds. Users and items are as the file writes them, times in the file's unit."""

    rows: list[tuple[str, str, float]] = field(default_factory=list)
    """User, item and rating or count, in the order of the files; rows that say "not rated" are left out."""
    times: list[str] = field(default_factory=list)
    """The time of each row; empty where the data set has none."""
    not_rated: int = 0
    """How many more rows or fields there are that say "not rated"."""
    titles: dict[str, str] = field(default_factory=dict)
    """The title of each item; empty where the data set has no file of them."""
    years: dict[str, str] = field(default_factory=dict)
    """The year of each item as the file writes it, where it is in a column of its own."""


def write(name: str, data_dir: Path) -> Tiny:
    """Writes the folder of a data set below `data_dir`; what it holds."""
    release = CATALOGUE[name]
    folder = data_dir / release.folder
    folder.mkdir(parents=True)
    return _writer(release)(release, folder)


def _writer(release: Release) -> Callable[[Release, Path], Tiny]:
    if release.name.startswith("amazon-"):
        return write_amazon
    if release.name in ("ml-100k", "ml-1m", "ml-10m"):
        return write_movielens_without_header
    return _WRITERS.get(release.name, write_movielens)


def pairs() -> Iterator[tuple[int, int, int]]:
    """User and item numbers from 0, five items a user, and a number from 0 to 9: 60 of them."""
    for user in range(USERS):
        for item in range(ITEMS):
            if (user * 3 + item * 5) % 8 < 5:
                yield user, item, (user * 7 + item * 3 + user // 3) % 10


def _lines(path: Path, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode(encoding))


def write_movielens(release: Release, folder: Path) -> Tiny:
    """CSV with a header; a title with a comma is quoted; tags in a file of their own."""
    tiny = Tiny()
    ratings, movies = ["userId,movieId,rating,timestamp"], ["movieId,title,genres"]
    for user, item, number in pairs():
        rating, time = (number % 10 + 1) / 2, str(1_147_880_044 + 100 * user + item)
        tiny.rows.append((str(user + 1), str(10 * item + 1), rating))
        tiny.times.append(time)
        ratings.append(f"{user + 1},{10 * item + 1},{rating},{time}")
    for item, name in enumerate(_TITLES):
        title = f"{name} ({1990 + item})"
        tiny.titles[str(10 * item + 1)] = title
        movies.append(f"{10 * item + 1},{chr(34) + title + chr(34) if ',' in title else title},Drama|Comedy")
    _lines(folder / "ratings.csv", ratings)
    _lines(folder / "movies.csv", movies)
    for tags in release.tags:
        _lines(folder / tags, ["userId,movieId,tag,timestamp", "1,1,classic,1147880044"])
    return tiny


def write_movielens_without_header(release: Release, folder: Path) -> Tiny:
    """The older releases: u.data and u.item, or ratings.dat and movies.dat."""
    tiny = Tiny()
    separator, bar = release.ratings.separator, "|" if release.name == "ml-100k" else "::"
    halves = release.name == "ml-10m"
    ratings, movies = [], []
    for user, item, number in pairs():
        rating, time = (number % 10 + 1) / 2 if halves else float(number % 5 + 1), str(978_300_760 + 100 * user + item)
        tiny.rows.append((str(user + 1), str(item + 1), rating))
        tiny.times.append(time)
        ratings.append(separator.join((str(user + 1), str(item + 1), f"{rating:g}", time)))
    for item, name in enumerate(_TITLES):
        title = f"{name.replace('::', ' ')} ({1990 + item})"
        tiny.titles[str(item + 1)] = title
        more = ("01-Jan-1995", "", "http://us.imdb.com/M/1", *"0100") if bar == "|" else ("Drama|Comedy",)
        movies.append(bar.join((str(item + 1), title, *more)))
    assert release.movies is not None
    _lines(folder / release.ratings.path, ratings)
    _lines(folder / release.movies.path, movies, "utf-8" if halves else "latin-1")
    for tags in release.tags:
        _lines(folder / tags, ["15::4973::excellent!::1215184630"])
    return tiny


def write_movietweetings(release: Release, folder: Path) -> Tiny:
    """Ratings from 0 to 10; ids with leading zeros, of which some differ in nothing else."""
    tiny = Tiny()
    ids = ["0110912", "110912", *(f"000{item:04}" for item in range(2, ITEMS))]
    ratings, movies = [], []
    for user, item, number in pairs():
        rating, time = (number + user % 2) % 11, str(1_375_657_563 + 100 * user + item)
        tiny.rows.append((str(user + 1), ids[item], float(rating)))
        tiny.times.append(time)
        ratings.append(f"{user + 1}::{ids[item]}::{rating}::{time}")
    for item, name in enumerate(_TITLES):
        title = f"{name.replace('::', ' ')} ({1990 + item})"
        tiny.titles[ids[item]] = title
        movies.append(f"{ids[item]}::{title}::{'' if item == 3 else 'Crime|Thriller'}")
    _lines(folder / "ratings.dat", ratings)
    _lines(folder / "movies.dat", movies)
    return tiny


def write_jester(release: Release, folder: Path) -> Tiny:
    """Three files of four users, a user a row: the number rated, then a field a joke, 99 where not rated.

    The users of `rows` are the numbers of the file and of the row in it, from 1, the items the jokes' numbers.
    """
    tiny = Tiny()
    given = {(user, item): round(number * 2.17 - 9.85, 2) for user, item, number in pairs()}
    lines = []
    for user in range(USERS):
        fields = [given.get((user, item), 99) for item in range(ITEMS)]
        key = f"{user // 4 + 1}-{user % 4 + 1}"
        tiny.rows += [(key, str(item + 1), float(value)) for item, value in enumerate(fields) if value != 99]
        tiny.not_rated += fields.count(99)
        lines.append(",".join(f"{field:g}" for field in (ITEMS - fields.count(99), *fields)))
    for part in range(3):
        _lines(folder / f"jester-data-{part + 1}.csv", lines[4 * part : 4 * part + 4])
    return tiny


def write_book_crossing(release: Release, folder: Path) -> Tiny:
    """Semicolons, every field in quotes, CR LF, ISO-8859-1; ISBNs as ids; 0 where a book was not rated."""
    tiny = Tiny()
    isbns = ["034545104X", "0155061224", "0446520802", "052165615X", "155061224", "3257224281", "2080674722", "B0000A"]
    ratings = ['"User-ID";"ISBN";"Book-Rating"']
    columns = ["ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher"]
    columns += ["Image-URL-S", "Image-URL-M", "Image-URL-L"]
    movies = [";".join(f'"{column}"' for column in columns)]
    for user, item, number in pairs():
        if number:
            tiny.rows.append((str(276_725 + user), isbns[item], float(number + user % 2)))
        else:
            tiny.not_rated += 1
        ratings.append(f'"{276_725 + user}";"{isbns[item]}";"{number + user % 2 if number else 0}"')
    for item, name in enumerate(_TITLES):
        title = 'Said \\"No\\"; and left' if item == 2 else name
        tiny.titles[isbns[item]] = title.replace("\\", "")
        tiny.years[isbns[item]] = str(1990 + item) if item else "0"
        fields = (isbns[item], title, "Anaïs Müller", tiny.years[isbns[item]], "Ed. & Co", *["http://example.org"] * 3)
        movies.append(";".join(f'"{one}"' for one in fields))
    _lines(folder / "BX-Book-Ratings.csv", ratings, "latin-1", "\r\n")
    _lines(folder / "BX-Books.csv", movies, "latin-1", "\r\n")
    return tiny


def write_goodbooks(release: Release, folder: Path) -> Tiny:
    """CSV without times; the year in a column of its own, as a number with a decimal."""
    tiny = Tiny()
    ratings = ["user_id,book_id,rating"]
    movies = ["book_id,goodreads_book_id,authors,original_publication_year,original_title,title,language_code"]
    for user, item, number in pairs():
        tiny.rows.append((str(user + 1), str(item + 1), float(number % 5 + 1)))
        ratings.append(f"{user + 1},{item + 1},{number % 5 + 1}")
    for item, name in enumerate(_TITLES):
        title = f"{name} (Series, #{item})"
        tiny.titles[str(item + 1)] = title
        tiny.years[str(item + 1)] = f"{1990 + item}.0" if item else ""
        movies.append(f'{item + 1},{1000 + item},"A. Author, B. Author",{tiny.years[str(item + 1)]},x,"{title}",eng')
    _lines(folder / "ratings.csv", ratings)
    _lines(folder / "books.csv", movies)
    return tiny


def write_lastfm(release: Release, folder: Path) -> Tiny:
    """Tabs: user, id of the artist or nothing, name, plays; a quote in a name is text."""
    tiny = Tiny()
    lines = []
    for user, item, number in pairs():
        key, plays = f"{user:040x}", 10 ** (number % 5) + number
        name = 'The "Quoted' if item == 2 else _TITLES[item]
        tiny.rows.append((key, name, float(plays)))
        lines.append(f"{key}\t{'' if item == 4 else f'a3cb23fc-acd3-4ce0-8f36-{item:012x}'}\t{name}\t{plays}")
    _lines(folder / "usersha1-artmbid-artname-plays.tsv", lines)
    _lines(folder / "usersha1-profile.tsv", [f"{0:040x}\tm\t19\tMexico\tApr 28, 2008"])
    return tiny


def write_netflix(release: Release, folder: Path) -> Tiny:
    """Two files of blocks, a movie a block; titles with commas, and one without a year."""
    tiny = Tiny()
    blocks: list[list[str]] = []
    for item in range(ITEMS):
        lines = [f"{item + 1}:"]
        for user, _, number in (pair for pair in pairs() if pair[1] == item):
            time = f"2005-{number % 9 + 1:02}-{user + 1:02}"
            tiny.rows.append((str(1_488_844 + user), str(item + 1), float(number % 5 + 1)))
            tiny.times.append(time)
            lines.append(f"{1_488_844 + user},{number % 5 + 1},{time}")
        blocks.append(lines)
    _lines(folder / "combined_data_1.txt", [line for block in blocks[:5] for line in block])
    _lines(folder / "combined_data_2.txt", [line for block in blocks[5:] for line in block])
    for item, name in enumerate(_TITLES):
        tiny.titles[str(item + 1)], tiny.years[str(item + 1)] = name, str(1990 + item) if item else "NULL"
    _lines(
        folder / "movie_titles.csv", [f"{key},{tiny.years[key]},{tiny.titles[key]}" for key in tiny.titles], "latin-1"
    )
    return tiny


def write_amazon(release: Release, folder: Path) -> Tiny:
    """CSV with ids of letters and digits, ratings such as 5.0 and times in milliseconds."""
    tiny = Tiny()
    lines = ["user_id,parent_asin,rating,timestamp"]
    for user, item, number in pairs():
        key, product, time = f"AGKHLEW2SOWHNMFQ{user:02}", f"B00YQ6X8{item:02}", str(1_588_687_728_923 + user)
        tiny.rows.append((key, product, float(number % 5 + 1)))
        tiny.times.append(time)
        lines.append(f"{key},{product},{number % 5 + 1}.0,{time}")
    _lines(folder / release.ratings.path, lines)
    return tiny


def gzipped(file: Path) -> None:
    """Puts a compressed file, with `.gz` added to its name, in place of a file."""
    Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()


_WRITERS: dict[str, Callable[[Release, Path], Tiny]] = {
    "movietweetings": write_movietweetings,
    "jester": write_jester,
    "book-crossing": write_book_crossing,
    "goodbooks-10k": write_goodbooks,
    "lastfm-360k": write_lastfm,
    "netflix": write_netflix,
}
