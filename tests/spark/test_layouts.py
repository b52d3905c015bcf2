"""One parser for every layout: the same two ratings read from all of them, and files that it refuses."""

import gzip
import lzma
import os
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.config import DataConfig
from recsys.data.ingest.parse import Reading, parse_movies, parse_ratings
from recsys.data.ingest.rows import read_rows
from recsys.data.sources.files import find_sources
from recsys.errors import DataError

RATINGS = [(1, 10, 4.0, 100), (2, 20, 3.5, 200)]
NAMES = {"user": "who", "movie": "item", "rating": "stars", "timestamp": "when"}


def ratings_of(spark, path, **data):
    """(user, movie, rating, timestamp) of the good rows, and the reasons of the others but headers."""
    settings = DataConfig(ratings=str(path), **data)
    sources = find_sources(spark, settings, "", "")
    users, movies = (sources.integer_ids(name, settings.id_type) for name in ("user", "movie"))
    reading = Reading.of(sources.ratings, users, movies, ids_told=True)
    rows = parse_ratings(read_rows(spark, sources.ratings), reading).orderBy("file", "position").collect()
    second = reading.times.stored
    good = [
        (row.user, row.movie, row.rating, row.timestamp and row.timestamp // second)
        for row in rows
        if row.reason is None
    ]
    return good, [row.reason for row in rows if row.reason not in (None, "header")]


LAYOUTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "crlf, byte order mark, blank line": (
        b"\xef\xbb\xbfuserId,movieId,rating,timestamp\r\n1,10,4.0,100\r\n\r\n2,20,3.5,200\r\n",
        {},
    ),
    "no header": (b"1,10,4.0,100\n2,20,3.5,200", {}),
    "tabs": (b"1\t10\t4\t100\n2\t20\t3.5\t200\n", {}),
    "double colons": (b"1::10::4::100\n2::20::3.5::200\n", {}),
    "bars": (b"1|10|4|100\n2|20|3.5|200\n", {}),
    "semicolons": (b"userId;movieId;rating;timestamp\n1;10;4;100\n2;20;3.5;200\n", {}),
    "a given separator": (b"1~10~4~100\n2~20~3.5~200\n", {"separator": "~"}),
    "quotes and blanks": (b'"1", 10,"4.0","100"\n 2 ,"20",3.5, 200\n', {}),
    "names in other case": (b"USERID,MovieID,Rating,TimeStamp\n1,10,4.0,100\n2,20,3.5,200\n", {}),
    "own names and further columns": (
        b"n,stars,when,item,note,who\n1,4.0,100,10,,1\n2,3.5,200,20,\"a, b\",2\n",
        {"columns": NAMES},
    ),
    "positions without a header": (
        b"4.0,x,1,100,10\n3.5,,2,200,20\n",
        {"header": False, "columns": {"user": 3, "movie": 5, "rating": 1, "timestamp": 4}},
    ),
    "positions with a header": (
        b"s,u,i,t\n4.0,1,10,100\n3.5,2,20,200\n",
        {"header": True, "columns": {"user": 2, "movie": 3, "rating": 1, "timestamp": 4}},
    ),
    "dates": (b"1,10,4,1970-01-01 00:01:40\n2,20,3.5,1970-01-01T00:03:20\n", {}),
    "UTF-16": ("userId,movieId,rating,timestamp\n1,10,4,100\n2,20,3.5,200\n".encode("utf-16"), {}),
    "aligned by blanks": (b"1   10  4    100\n2   20  3.5  200\n", {}),
    "blanks, as told": (b"1 10 4 100\n2 20 3.5 200\n", {"separator": " "}),
    "decimal commas": (b"1;10;4,0;100\n2;20;3,5;200\n", {}),
    "a line break in quotes": (b'u,n,i,r,t\n1,"a\nb",10,4,100\n2,"c ""d""",20,3.5,200\n',
        {"columns": {"user": 1, "movie": 3, "rating": 4, "timestamp": 5}}),
    "xz": (lzma.compress(b"1,10,4,100\n2,20,3.5,200\n"), {}),
    "blocks": (b"10:\n1,4,1970-01-01 00:01:40\n20:\n2,3.5,1970-01-01 00:03:20\n", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(spark, tmp_path, name):
    content, data = LAYOUTS[name]
    file = tmp_path / ("ratings.txt.xz" if name == "xz" else "ratings.txt")
    file.write_bytes(content)
    assert ratings_of(spark, file, **data) == (RATINGS, [])


def test_packed_files_with_and_without_a_header(spark, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"userId,movieId,rating,timestamp\n1,10,4.0,100\n"))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"2,20,3.5,200\n"))
    assert ratings_of(spark, tmp_path / "*.csv.gz") == (RATINGS, [])


def test_more_files_than_are_looked_at(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.data.sources.files.FILES_CHECKED", 2)
    for number in range(4):
        (tmp_path / f"{number}.csv").write_text(f"userId,movieId,rating\n{number},1,3\n")
    sources = find_sources(spark, DataConfig(ratings=str(tmp_path)), "", "")
    assert (sources.ratings.files, sources.ratings.headers) == (4, 4)


def test_no_timestamps_and_text_ids(spark, tmp_path):
    # one row and no line end behind it: its ids are looked at as well
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\nann,tt01,4")
    assert ratings_of(spark, tmp_path / "ratings.csv") == ([("ann", "tt01", 4.0, None)], [])
    (tmp_path / "ratings.csv").write_bytes(b"jos\xe9,tt01,4\nann,tt01,4\nann,tt02,4\n")
    assert ratings_of(spark, tmp_path / "ratings.csv")[1] == ["does_not_parse"]
    good, bad = ratings_of(spark, tmp_path / "ratings.csv", encoding="ISO-8859-1")
    assert (good[0], bad) == (("josé", "tt01", 4.0, None), [])


@pytest.mark.parametrize("arrow", ["true", "false"])
def test_titles(spark, tmp_path, arrow):
    (tmp_path / "r.csv").write_text("1,1,4\n")
    lines = ['1,"Am\xe9lie, or ""Am\xe9lie"" (2001) ",x', "2,,x", '3,Plain "quoted" (1999)']
    (tmp_path / "m.csv").write_bytes("\r\n".join(lines).encode("latin-1"))
    told = {}
    before = spark.conf.get("spark.sql.execution.arrow.pyspark.enabled")
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", arrow)
    for encoding in ("ISO-8859-1", None):
        data = DataConfig(ratings=str(tmp_path / "r.csv"), movies=str(tmp_path / "m.csv"), encoding=encoding)
        source = find_sources(spark, data, "", "").movies
        assert source is not None
        table: pd.DataFrame = parse_movies(read_rows(spark, source), True).toPandas()
        told[encoding] = list(zip(table["movie"], table["title"], table["year"].fillna(0), strict=True))
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", before)
    others = [(2, "", 0), (3, 'Plain "quoted" (1999)', 1999)]
    assert told["ISO-8859-1"] == [(1, 'Amélie, or "Amélie" (2001)', 2001), *others]
    assert told[None] == [(1, 'Am\ufffdlie, or "Am\ufffdlie" (2001)', 2001), *others]


@pytest.mark.parametrize(
    ("columns", "good", "bad"),
    [
        ({"userId": [1, 2], "movieId": [10, 20], "timestamp": [100, 200]}, RATINGS, []),
        ({"userId": ["1", "2"], "movieId": ["10", "20"], "timestamp": ["100", "200"]}, RATINGS, []),
        ({"userId": ["a", "b"], "movieId": [10, 20]}, [("a", 10, 4.0, None), ("b", 20, 3.5, None)], []),
        ({"userId": [1.0, float("nan")], "movieId": [10.0, 20.0]}, [(1, 10, 4.0, None)], ["missing_field"]),
        ({"userId": [1.0, 2.5], "movieId": [10.0, 20.0]}, [(1, 10, 4.0, None)], ["does_not_parse"]),
        (
            {
                "userId": [1, 2],
                "movieId": [10, 20],
                "timestamp": np.array([100, 200], "datetime64[s]").astype("datetime64[us]"),
            },
            RATINGS,
            [],
        ),
    ],
)
def test_parquet(spark, tmp_path, columns, good, bad):
    # column by column, so that NaN stays a number and does not become null
    arrays = {name: pa.array(np.array(values), from_pandas=False) for name, values in columns.items()}
    arrays["rating"] = pa.array([4.0, 3.5])
    pq.write_table(pa.table(arrays), tmp_path / "r.parquet")
    assert ratings_of(spark, tmp_path / "r.parquet") == (good, bad)


def _write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("path", "files", "data", "message"),
    [
        ("none.csv", {}, {}, "none.csv: no such file"),
        ("*.csv", {}, {}, r"\*.csv: no such file"),
        ("", {}, {}, "holds no file"),
        ("a.csv", {"a.csv": b""}, {}, "a.csv: is empty"),
        ("a.csv", {"a.csv": b"\n\n"}, {}, "a.csv: is empty"),
        ("a.csv", {"a.csv": "userId,movieId,rating\n1,1,1\n".encode("utf-16")}, {"encoding": "utf-8"}, "not a text"),
        ("a.csv", {"a.csv": b"1\n2\n"}, {}, "where at least 2 are needed"),
        ("a.csv", {"a.csv": b"who,item,stars\n1,1,3\n"}, {}, "no column 'userId' in row 1"),
        ("a.csv", {"a.csv": b"1,1,3\n"}, {"columns": {"user": "who"}}, "is a name, but the file has no header"),
        ("a.csv", {"a.csv": b"1,1,3\n"}, {"header": False, "columns": {"rating": 9}}, "but row 1 has 3 fields"),
        ("*.csv", {"a.csv": b"userId,movieId,rating,x\n", "b.csv": b"userId,movieId,rating,y\n"}, {}, "different head"),
        ("*.csv", {"a.csv": b"1,1,3,5\n", "b.csv": b"1;1;3;5\n"}, {}, "b.csv: its layout is not that of /.*a.csv"),
        ("a.parquet", {"a.parquet": b"PAR1 and nothing more"}, {}, "a.parquet: cannot be read as Parquet"),
        ("a.csv.gz", {"a.csv.gz": b"not packed"}, {}, "a.csv.gz: is not in gzip format"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(spark, tmp_path, path, files, data, message):
    _write(tmp_path, files)
    with pytest.raises(DataError, match=message) as error:
        find_sources(spark, DataConfig(ratings=f"{tmp_path}/{path}", **data), "", "")
    assert "\n" not in str(error.value)
    assert "file:/" not in str(error.value)


def test_unknown_place_is_one_line(spark):
    with pytest.raises(DataError, match=r"nowhere://host/ratings\.csv: cannot be read") as error:
        find_sources(spark, DataConfig(ratings="nowhere://host/ratings.csv"), "", "")
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_forbidden_file_is_one_line(spark, tmp_path):
    (tmp_path / "a.csv").write_text("1,1,3\n")
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(DataError, match=r"a\.csv: cannot be read"):
        find_sources(spark, DataConfig(ratings=str(tmp_path / "a.csv")), "", "")
