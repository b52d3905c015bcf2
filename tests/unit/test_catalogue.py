"""What the catalogue says of each data set: consistent, and true of files of its shape and of the real ones at hand."""

import codecs
import copy
import csv
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_catalogue
from tiny_catalogue import Tiny, gzipped

from recsys.catalogue import ALIASES, CATALOGUE, FileLayout, Release, files_of
from recsys.catalogue.__main__ import data_sets_page
from recsys.conf_folder import EXPERIMENTS
from recsys.config import DATASETS
from recsys.config.load import build_config, build_data
from recsys.data.sources.download import fetch, find
from recsys.errors import ConfigError, DataError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MOVIELENS = ["ml-latest-small", "ml-latest", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m"]
OTHERS = ["movietweetings", "jester", "book-crossing", "goodbooks-10k", "lastfm-360k", "netflix"]
RELEASES = list(dict.fromkeys(CATALOGUE.values()))
every_release = pytest.mark.parametrize("dataset", RELEASES, ids=lambda dataset: dataset.name)


def read(layout: FileLayout, folder: Path) -> list[dict[str, str]]:
    """A reader of the layout "long" that knows nothing but the layout."""
    return [row for file in files_of(folder, layout.path_in(folder) or "") for row in rows_of(layout, file)]


def rows_of(layout: FileLayout, file: Path) -> Iterator[dict[str, str]]:
    with open(file, encoding=layout.encoding, newline="") as source:
        if layout.quoted:
            escape = None if layout.quote_escape == '"' else layout.quote_escape
            doubled = escape is None
            rows = list(
                csv.reader(source, delimiter=layout.separator, strict=True, escapechar=escape, doublequote=doubled)
            )
        else:
            cuts = max(int(column) for column in layout.columns.values()) - 1 if layout.rest_of_line else -1
            rows = [line.rstrip("\r\n").split(layout.separator, cuts) for line in source]
    header = rows.pop(0) if layout.header else []
    places = {
        name: header.index(column) if isinstance(column, str) else column - 1 for name, column in layout.columns.items()
    }
    for row in rows:
        yield {name: row[place] for name, place in places.items()}


def wide_rows(layout: FileLayout, folder: Path) -> Iterator[tuple[str, str, str]]:
    """A reader of the layout "wide": user (number of the file and of the row), item, rating."""
    for part, file in enumerate(files_of(folder, layout.path), 1):
        for user, line in enumerate(file.read_text(layout.encoding).splitlines(), 1):
            for item, value in enumerate(line.split(layout.separator)[layout.skipped_columns :], 1):
                yield f"{part}-{user}", str(item), value


def netflix_rows(layout: FileLayout, folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """A reader of the layout "netflix": user, item, rating, time."""
    for file in files_of(folder, layout.path_in(folder) or ""):
        item = ""
        for line in file.read_text(layout.encoding).splitlines():
            if line.endswith(":"):
                item = line[:-1]
            else:
                user, rating, time = line.split(layout.separator)
                yield user, item, rating, time


def folder_of(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine: MovieLens data may not be redistributed")
    return folder


# --- facts


def test_names() -> None:
    names = list(CATALOGUE)
    assert names[: len(MOVIELENS) + len(OTHERS)] == MOVIELENS + OTHERS
    categories = [name for name in names[len(MOVIELENS) + len(OTHERS) :] if name not in ALIASES]
    assert len(categories) == 33 and all(re.fullmatch(r"amazon(-[a-z]+)+", name) for name in categories)
    assert {"amazon-all-beauty", "amazon-fashion", "amazon-movies-and-tv", "amazon-cds-and-vinyl"} <= set(categories)
    assert all(dataset.name == ALIASES.get(name, name) for name, dataset in CATALOGUE.items())
    assert CATALOGUE["amazon-reviews"] is CATALOGUE["amazon-video-games"]


@every_release
def test_entry_is_well_formed(dataset: Release) -> None:
    scale = (dataset.rating_min, dataset.rating_max)
    if dataset.feedback == "counts":
        assert (*scale, dataset.rating_step, dataset.missing) == (None, None, None, ())
    else:
        low, high = scale
        assert low is not None and high is not None and low < high
        assert dataset.rating_step is None or ((high - low) / dataset.rating_step).is_integer()
        assert not any(low <= value <= high for value in dataset.missing)
    counts = (dataset.users_count, dataset.movies_count, dataset.ratings_count)
    assert all(counts) if not dataset.rough_size else counts == (None, None, None)
    for text in (dataset.about, dataset.terms, dataset.reference):
        assert text and "\n" not in text
    assert re.search(r"https?://\S+|README", dataset.terms)


@every_release
def test_files_are_well_described(dataset: Release) -> None:
    for layout in (dataset.ratings, *([dataset.movies] if dataset.movies else [])):
        codecs.lookup(layout.encoding)
        assert (layout.columns == {}) == (layout.layout != "long")
        if layout.columns:
            assert {type(column) for column in layout.columns.values()} == {str if layout.header else int}
        assert layout.decimal == "."
    if dataset.ratings.layout == "long":
        assert {"user", "movie", "rating"} <= set(dataset.ratings.columns) <= {"user", "movie", "rating", "timestamp"}
    if dataset.movies:
        assert {"movie", "title"} <= set(dataset.movies.columns) <= {"movie", "title", "year"}


@every_release
def test_downloads_are_secure_and_checked_or_say_why_not(dataset: Release) -> None:
    assert bool(dataset.downloads) != bool(dataset.by_hand)
    lengths = {"md5": 32, "sha256": 64, "git": 40}
    for download in dataset.downloads:
        assert download.url.startswith("https://")
        assert (download.kind in ("zip", "tar.gz")) == (not download.target.startswith(f"{dataset.folder}/"))
        assert [download.checksum is not None, download.checksum_file, bool(download.unchecked_because)].count(
            True
        ) == 1
        if download.checksum is not None:
            algorithm, _, digits = download.checksum.partition(":")
            assert re.fullmatch(r"[0-9a-f]+", digits) and len(digits) == lengths[algorithm]


def test_checksums_differ() -> None:
    known = [download.checksum for dataset in RELEASES for download in dataset.downloads if download.checksum]
    assert len(set(known)) == len(known) == 6 + 2 + 1


@pytest.mark.parametrize("name", MOVIELENS)
def test_movielens_addresses(name: str) -> None:
    (download,) = CATALOGUE[name].downloads
    assert download.url == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
    assert download.checksum_file == name.startswith("ml-latest")


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("ml-100k", (1, 5, 1)),
        ("ml-1m", (1, 5, 1)),
        ("ml-10m", (0.5, 5, 0.5)),
        ("ml-latest-small", (0.5, 5, 0.5)),
        ("ml-latest", (0.5, 5, 0.5)),
        ("movietweetings", (0, 10, 1)),
        ("jester", (-10, 10, None)),
        ("book-crossing", (1, 10, 1)),
        ("goodbooks-10k", (1, 5, 1)),
        ("netflix", (1, 5, 1)),
        ("amazon-books", (1, 5, 1)),
    ],
)
def test_scale(name: str, scale: tuple[float, float, float]) -> None:
    dataset = CATALOGUE[name]
    assert (dataset.rating_min, dataset.rating_max, dataset.rating_step) == scale


def test_codes_for_not_rated_and_counts() -> None:
    assert {name: CATALOGUE[name].missing for name in CATALOGUE if CATALOGUE[name].missing} == {
        "jester": (99.0,),
        "book-crossing": (0.0,),
    }
    assert [name for name in CATALOGUE if CATALOGUE[name].feedback != "ratings"] == ["lastfm-360k"]
    assert [name for name in CATALOGUE if CATALOGUE[name].ratings.layout != "long"] == ["jester", "netflix"]


def test_files_of_tags_are_named() -> None:
    assert CATALOGUE["ml-10m"].tags == ("tags.dat",)
    assert CATALOGUE["ml-latest"].tags == ("tags.csv", "genome-tags.csv", "genome-scores.csv")
    assert CATALOGUE["ml-100k"].tags == CATALOGUE["ml-1m"].tags == ()


def test_ml_10m_is_unpacked_under_another_name() -> None:
    assert CATALOGUE["ml-10m"].folder == "ml-10M100K"
    movies = CATALOGUE["ml-10m"].movies
    assert movies is not None and movies.encoding == "UTF-8"


def test_catalogue_and_columns_are_read_only() -> None:
    dataset = CATALOGUE["ml-1m"]
    with pytest.raises(TypeError):
        CATALOGUE["ml-1m"] = dataset  # type: ignore[index]
    with pytest.raises(TypeError):
        dataset.ratings.columns["user"] = 2  # type: ignore[index]


def test_a_layout_does_not_follow_the_mapping_it_was_made_from() -> None:
    columns: dict[str, str | int] = {"movie": 1}
    layout = FileLayout("x", ",", header=False, encoding="UTF-8", quoted=False, columns=columns)
    columns["movie"] = 2
    assert layout.columns == {"movie": 1}


@every_release
def test_entries_can_be_pickled_copied_and_hashed(dataset: Release) -> None:
    assert pickle.loads(pickle.dumps(dataset)) == dataset
    assert copy.deepcopy(dataset) == dataset
    assert hash(pickle.loads(pickle.dumps(dataset))) == hash(dataset)


# --- layouts, by lines that the publishers print in their descriptions


@pytest.mark.parametrize(
    ("name", "lines", "row"),
    [
        (
            "movietweetings",
            ["14927::0110912::9::1375657563"],
            {"user": "14927", "movie": "0110912", "rating": "9", "timestamp": "1375657563"},
        ),
        ("goodbooks-10k", ["user_id,book_id,rating", "1,258,5"], {"user": "1", "movie": "258", "rating": "5"}),
        (
            "book-crossing",
            ['"User-ID";"ISBN";"Book-Rating"', '"276729";"052165615X";"3"'],
            {"user": "276729", "movie": "052165615X", "rating": "3"},
        ),
        (
            "lastfm-360k",
            ["000063d3fe1cf2ba248b9e3c3f0334845a27a6be\ta3cb23fc-acd3-4ce0-8f36-1e5aa6a18432\tu2\t31"],
            {"user": "000063d3fe1cf2ba248b9e3c3f0334845a27a6be", "movie": "u2", "rating": "31"},
        ),
        (
            "amazon-all-beauty",
            ["user_id,parent_asin,rating,timestamp", "AGKHLEW2SOWHNMFQIJGBECAF7INQ,B00YQ6X8EO,5.0,1588687728923"],
            {
                "user": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
                "movie": "B00YQ6X8EO",
                "rating": "5.0",
                "timestamp": "1588687728923",
            },
        ),
    ],
)
def test_ratings_as_their_publisher_shows_them(
    name: str, lines: list[str], row: dict[str, str], tmp_path: Path
) -> None:
    layout = CATALOGUE[name].ratings
    (tmp_path / layout.path).write_text("\n".join(lines) + "\n", encoding=layout.encoding)
    assert read(layout, tmp_path) == [row]


@pytest.mark.parametrize(
    ("name", "lines", "row"),
    [
        (
            "movietweetings",
            ["0110912::Pulp Fiction (1994)::Crime|Thriller"],
            {"movie": "0110912", "title": "Pulp Fiction (1994)"},
        ),
        (
            "netflix",
            ["72,1974,At Home Among Strangers, A Stranger Among His Own"],
            {"movie": "72", "year": "1974", "title": "At Home Among Strangers, A Stranger Among His Own"},
        ),
        (
            "book-crossing",
            [
                '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher"',
                '"0195153448";"Classical \\"Mythology\\"";"Mark P. O. Morford";"2002";"Oxford University Press"',
            ],
            {"movie": "0195153448", "title": 'Classical "Mythology"', "year": "2002"},
        ),
    ],
)
def test_titles_as_their_publisher_shows_them(name: str, lines: list[str], row: dict[str, str], tmp_path: Path) -> None:
    layout = CATALOGUE[name].movies
    assert layout is not None
    (tmp_path / layout.path).write_text("\n".join(lines) + "\n", encoding=layout.encoding)
    assert read(layout, tmp_path) == [row]


# --- layouts, by small files of each shape


def read_ratings(dataset: Release, folder: Path) -> Tiny:
    found, layout = Tiny(), dataset.ratings
    if layout.layout == "long":
        rows = [(row["user"], row["movie"], row["rating"], row.get("timestamp", "")) for row in read(layout, folder)]
    elif layout.layout == "wide":
        rows = [(*row, "") for row in wide_rows(layout, folder)]
    else:
        rows = list(netflix_rows(layout, folder))
    for user, item, rating, time in rows:
        if float(rating) in dataset.missing:
            found.not_rated += 1
            continue
        found.rows.append((user, item, float(rating)))
        found.times += [time] if time else []
    if dataset.movies:
        for row in read(dataset.movies, folder):
            found.titles[row["movie"]] = row["title"]
            found.years |= {row["movie"]: row["year"]} if "year" in row else {}
    return found


@every_release
def test_a_small_folder_of_its_shape_is_found_and_read_by_the_layout(dataset: Release, tmp_path: Path) -> None:
    written = tiny_catalogue.write(dataset.name, tmp_path)
    folder = find(dataset, str(tmp_path))
    assert folder == tmp_path / dataset.folder
    assert read_ratings(dataset, folder) == written
    assert len(written.rows) + written.not_rated == (96 if dataset.ratings.layout == "wide" else 60)
    if dataset.rating_min is not None and dataset.rating_max is not None:
        assert all(dataset.rating_min <= rating <= dataset.rating_max for *_, rating in written.rows)
    assert all((folder / tags).is_file() for tags in dataset.tags if dataset.name in MOVIELENS)


def test_netflix_as_netflix_packed_it(tmp_path: Path) -> None:
    """A file a movie in a folder of its own, and the titles under another name."""
    written = tiny_catalogue.write("netflix", tmp_path)
    folder = tmp_path / "netflix"
    (folder / "training_set").mkdir()
    for file in sorted(folder.glob("combined_data_*.txt")):
        for block in re.findall(r"^\d+:\n(?:.*,.*\n)*", file.read_text(), re.MULTILINE):
            number = int(block.partition(":")[0])
            (folder / "training_set" / f"mv_{number:07}.txt").write_text(block)
        file.unlink()
    (folder / "movie_titles.csv").rename(folder / "movie_titles.txt")
    assert len(list((folder / "training_set").iterdir())) == tiny_catalogue.ITEMS
    dataset = CATALOGUE["netflix"]
    assert find(dataset, str(tmp_path)) == folder
    assert read_ratings(dataset, folder) == written


def test_amazon_files_may_stay_compressed(tmp_path: Path) -> None:
    dataset = CATALOGUE["amazon-gift-cards"]
    tiny_catalogue.write(dataset.name, tmp_path)
    gzipped(tmp_path / dataset.folder / "Gift_Cards.csv")
    assert find(dataset, str(tmp_path)) == tmp_path / dataset.folder
    assert dataset.ratings.path_in(tmp_path / dataset.folder) == "Gift_Cards.csv.gz"


def test_a_glob_finds_no_folder_and_nothing_by_the_brackets_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "jester[1]"
    folder.mkdir()
    layout = CATALOGUE["jester"].ratings
    (folder / "jester-data-1.csv").mkdir()
    assert layout.path_in(folder) is None
    (folder / "jester-data-2.csv").write_text("0,99\n")
    assert layout.path_in(folder) == "jester-data-*.csv"
    assert files_of(folder, layout.path) == [folder / "jester-data-2.csv"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("netflix", "Netflix has withdrawn it, and Kaggle asks for a login: download https://www.kaggle.com/"),
        ("jester", "jester-data-1.zip to jester-data-3.zip) and save each sheet as CSV"),
        ("book-crossing", "unpack a copy of BX-CSV-Dump.zip so that there are book-crossing/BX-Book-Ratings.csv"),
    ],
)
def test_what_nobody_offers_is_asked_for_with_the_shape_of_its_folder(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch(CATALOGUE[name], str(tmp_path))
    message = str(caught.value)
    assert message.startswith(f"data set {name}: there is no {name}/") and "\n" not in message
    assert told in message and f"below {tmp_path}" in message and "data.data_dir" in message
    assert list(tmp_path.iterdir()) == []


# --- settings and the page


def test_every_name_is_a_data_set_of_the_settings() -> None:
    assert list(DATASETS) == ["synthetic", *CATALOGUE]
    assert [build_data({"dataset": name}).dataset for name in DATASETS] == list(DATASETS)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("ml-latest-smal", "ml-latest-small"),
        ("netfix", "netflix"),
        ("Jester", "jester"),
        ("amazon-boks", "amazon-books"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_data({"dataset": wrong})
    message = str(caught.value)
    assert message.startswith(f"data.dataset = {wrong!r}: expected synthetic, ml-latest-small, ")
    assert message.endswith(f"amazon-CATEGORY (docs/data-sets.md lists them); did you mean {near!r}?")


def test_the_scale_of_the_data_set_bounds_the_settings() -> None:
    assert build_data({"dataset": "movietweetings", "positive_from": 8.0}).highest_rating == 10
    assert build_data({"dataset": "lastfm-360k", "positive_from": 50.0}).highest_rating is None
    for name, high in (("goodbooks-10k", "5"), ("synthetic", "5"), ("jester", "10")):
        with pytest.raises(ConfigError, match=f"is above the highest rating, {high}"):
            build_data({"dataset": name, "positive_from": 10.5})
    with pytest.raises(ConfigError, match=r"evaluation\.relevant_from = 8 is above the highest rating, 5"):
        build_config({"data": {"dataset": "netflix"}, "evaluation": {"relevant_from": 8.0}})


def test_the_page_of_data_sets_is_up_to_date() -> None:
    page = EXPERIMENTS.parents[1] / "docs" / "data-sets.md"
    assert page.read_text(encoding="utf-8") == data_sets_page(), f"out of date: python -m recsys.catalogue > {page}"


def test_the_page_has_every_name_with_its_terms() -> None:
    page = re.sub(r"<(http\S+)>", r"\1", data_sets_page())
    assert [name for name in DATASETS if f"| `{name}` |" not in page] == []
    assert [dataset.name for dataset in RELEASES if dataset.terms not in page] == []
    assert [file for dataset in RELEASES for file in dataset.tags if file not in page] == []


# --- the real files, where they are


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ml-100k", "ml-1m", "ml-latest-small"])
def test_ratings_read_by_their_layout(name: str) -> None:
    dataset, rows = CATALOGUE[name], read(CATALOGUE[name].ratings, folder_of(name))
    assert len(rows) == dataset.ratings_count
    assert len({row["user"] for row in rows}) == dataset.users_count
    given = {float(row["rating"]) for row in rows}
    low, high, step = dataset.rating_min, dataset.rating_max, dataset.rating_step
    assert low is not None and high is not None and step is not None
    assert given == {low + number * step for number in range(round((high - low) / step) + 1)}
    assert all(row["timestamp"].isdigit() for row in rows)


@pytest.mark.parametrize(
    ("name", "movie", "title"),
    [
        ("ml-100k", "543", "Misérables, Les (1995)"),
        ("ml-1m", "73", "Misérables, Les (1995)"),
        ("ml-25m", "73", "Misérables, Les (1995)"),
        ("ml-latest-small", "73", "Misérables, Les (1995)"),
    ],
)
def test_movies_read_by_their_layout(name: str, movie: str, title: str) -> None:
    """An accented title with a comma: a wrong encoding, separator or quoting shows in it."""
    dataset, layout = CATALOGUE[name], CATALOGUE[name].movies
    assert layout is not None
    rows = read(layout, folder_of(name))
    assert len(rows) == dataset.movies_count
    titles = {row["movie"]: row["title"] for row in rows}
    assert len(titles) == len(rows)
    assert titles[movie] == title
