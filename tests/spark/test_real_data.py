"""The statistics and rating arrays of real and of generated data, beside a count in plain Python."""

from functools import lru_cache
from pathlib import Path

import plain_count
import pytest
from preparing import adds_up, arrays_of, run_prepare

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CASES = [
    ("ml-latest-small", None, None, None),
    ("ml-latest-small", 1950, 1960, None),
    ("ml-latest-small", 2010, None, None),
    ("ml-100k", 1990, 1999, 4.0),
    ("ml-100k", None, 1949, None),
    ("ml-1m", None, None, None),
    ("ml-1m", 1950, 1960, None),
]
# read off the files by eye: two users' rows
USER_442 = {
    362: 2.5, 468: 1.5, 524: 2.0, 610: 1.0, 616: 1.5, 1186: 1.0, 1231: 1.0, 1272: 0.5, 1644: 0.5, 2020: 1.0,
    2145: 2.0, 2881: 0.5, 2908: 2.0, 3107: 0.5, 3363: 1.5, 3386: 0.5, 3510: 1.0, 3752: 2.0, 3863: 0.5, 4361: 2.5,
}  # fmt: skip
KNOWN_ROWS = {
    ("ml-latest-small", None, None): (442, USER_442),
    ("ml-latest-small", 1950, 1960): (53, {916: 5.0, 922: 5.0}),  # Roman Holiday (1953), Sunset Blvd. (1950)
}


@lru_cache(maxsize=1)
def release(name):
    return plain_count.read_release(DATA / name, name)


def check_equal(prepared, source, year_from, year_to, positive_from=None):
    arrays = plain_count.select(source, year_from, year_to, positive_from)
    expected, told = plain_count.count(arrays), prepared.statistics
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, rel=1e-12), name
    assert list(told["ratings_by_value"]) == list(expected["ratings_by_value"])
    assert told["rows_read"] == len(source.ratings) == told["rows_expected"]
    assert told["rejected"] == told["movies_file"]["rejected"] == {}
    assert adds_up(told)

    ids = prepared.items["movie_id"].tolist()
    assert ids == sorted({movie for array in arrays.values() for movie in array})
    assert prepared.items["index"].tolist() == list(range(len(ids)))
    assert prepared.items["title"].tolist() == [source.titles[movie].strip(" ") for movie in ids]
    years = [plain_count.release_year(source.titles[movie]) or 0 for movie in ids]
    assert prepared.items["year"].fillna(0).tolist() == years
    found = arrays_of(prepared)
    assert found == arrays
    return found


@pytest.mark.parametrize(("name", "year_from", "year_to", "positive_from"), CASES)
def test_release(spark, name, year_from, year_to, positive_from):
    if not (DATA / name).is_dir():
        pytest.skip(f"needs MovieLens' {name} in {DATA}, which may not be redistributed with the project")
    chosen = {"year_from": year_from, "year_to": year_to, "positive_from": positive_from}
    prepared = run_prepare(spark, dataset=name, data_dir=str(DATA), **chosen)
    arrays = check_equal(prepared, release(name), **chosen)
    user, row = KNOWN_ROWS.get((name, year_from, year_to), (None, None))
    assert arrays.get(user) == row
    prepared.blocks.unpersist()


def test_generated(spark, tmp_path):
    chosen = {"year_from": 1930, "year_to": 1990}
    prepared = run_prepare(spark, tmp_path, dataset="synthetic", scale=0.002, seed=3, **chosen)
    (folder,) = tmp_path.iterdir()
    check_equal(prepared, plain_count.read_generated(folder), **chosen)
    prepared.blocks.unpersist()
