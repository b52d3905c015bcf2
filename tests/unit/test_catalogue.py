"""What the catalogue says of each release, checked against the releases themselves where they are at hand."""

import copy
import csv
import pickle
import re
from pathlib import Path

import pytest

from recsys.data.sources.catalogue import CATALOGUE, FileLayout, Release

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def read(layout: FileLayout, folder: Path) -> list[dict[str, str]]:
    """A reader that knows nothing but the layout."""
    with open(folder / layout.path, encoding=layout.encoding, newline="") as source:
        if layout.quoted:
            rows = list(csv.reader(source, delimiter=layout.separator, strict=True))
        else:
            rows = [line.rstrip("\r\n").split(layout.separator) for line in source]
    header = rows.pop(0) if layout.header else []
    places = {
        name: header.index(column) if isinstance(column, str) else column - 1 for name, column in layout.columns.items()
    }
    return [{name: row[place] for name, place in places.items()} for row in rows]


def folder_of(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine: MovieLens data may not be redistributed")
    return folder


def test_names() -> None:
    releases = ["ml-latest-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m"]
    assert list(CATALOGUE) == releases
    assert [dataset.name for dataset in CATALOGUE.values()] == releases


@pytest.mark.parametrize("dataset", CATALOGUE.values(), ids=CATALOGUE)
def test_entry_is_well_formed(dataset: Release) -> None:
    assert dataset.url == f"https://files.grouplens.org/datasets/movielens/{dataset.name}.zip"
    assert (dataset.md5 is None) == (dataset.name == "ml-latest-small")
    assert dataset.md5 is None or re.fullmatch(r"[0-9a-f]{32}", dataset.md5)
    assert set(dataset.ratings.columns) == {"user", "movie", "rating", "timestamp"}
    assert set(dataset.movies.columns) == {"movie", "title"}
    for layout in (dataset.ratings, dataset.movies):
        assert {type(column) for column in layout.columns.values()} == {str if layout.header else int}
        assert layout.quoted == layout.path.endswith(".csv")


def test_checksums_differ() -> None:
    known = [dataset.md5 for dataset in CATALOGUE.values() if dataset.md5]
    assert len(set(known)) == len(known) == 6


@pytest.mark.parametrize(
    ("name", "scale"),
    [("ml-100k", (1, 5, 1)), ("ml-1m", (1, 5, 1)), ("ml-10m", (0.5, 5, 0.5)), ("ml-latest-small", (0.5, 5, 0.5))],
)
def test_scale(name: str, scale: tuple[float, float, float]) -> None:
    dataset = CATALOGUE[name]
    assert (dataset.rating_min, dataset.rating_max, dataset.rating_step) == scale


def test_ml_10m_is_unpacked_under_another_name() -> None:
    assert CATALOGUE["ml-10m"].folder == "ml-10M100K"
    assert CATALOGUE["ml-10m"].movies.encoding == "UTF-8"


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


@pytest.mark.parametrize("dataset", CATALOGUE.values(), ids=CATALOGUE)
def test_entries_can_be_pickled_copied_and_hashed(dataset: Release) -> None:
    assert pickle.loads(pickle.dumps(dataset)) == dataset
    assert copy.deepcopy(dataset) == dataset
    assert hash(pickle.loads(pickle.dumps(dataset))) == hash(dataset)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ml-100k", "ml-1m", "ml-latest-small"])
def test_ratings_read_by_their_layout(name: str) -> None:
    dataset, rows = CATALOGUE[name], read(CATALOGUE[name].ratings, folder_of(name))
    assert len(rows) == dataset.ratings_count
    assert len({row["user"] for row in rows}) == dataset.users_count
    given = {float(row["rating"]) for row in rows}
    steps = round((dataset.rating_max - dataset.rating_min) / dataset.rating_step)
    assert given == {dataset.rating_min + step * dataset.rating_step for step in range(steps + 1)}
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
    dataset, rows = CATALOGUE[name], read(CATALOGUE[name].movies, folder_of(name))
    assert len(rows) == dataset.movies_count
    titles = {row["movie"]: row["title"] for row in rows}
    assert len(titles) == len(rows)
    assert titles[movie] == title
