"""Records of text files as a DataFrame: on local disks by Python, on other file systems by Spark's bytes."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from recsys.data.text.records import RecordFormat
from recsys.data.text.spark_records import odd_quotes, records_frame

COMMAS = RecordFormat(",", True, "utf-16")
NAMES = ["a.csv", "b [x] {y} ä 100%.csv", "c.csv.zst"]
TEXTS = ["1,10,4.5\r\n\r\n2,20\r\n", '3,"Say \\"x\\"\n4,5",5,more\n', '6,"open,7\n8\n']
EXPECTED = [
    (1, 1, "1,10,4.5", "1", "10", "4.5", False),
    (3, 1, "2,20", "2", "20", None, False),
    (1, 2, '3,"Say \\"x\\"\n4,5",5,more', "3", 'Say "x"\n4,5', "5", False),
    (1, 3, '6,"open,7', "6", "open,7", None, True),
    (2, 3, "8", "8", None, None, False),
]


@pytest.fixture
def folder(tmp_path):
    for name, text in zip(NAMES, TEXTS, strict=True):
        data = text.encode("utf-16")
        (tmp_path / name).write_bytes(pa.Codec("zstd").compress(data, asbytes=True) if ".zst" in name else data)
    return tmp_path


@pytest.fixture
def remote(spark, folder):
    """The folder under a scheme that is not of local files."""
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    configuration.set("fs.viewfs.mounttable.records.link./data", folder.as_uri())
    configuration.setBoolean("fs.viewfs.impl.disable.cache", True)
    return "viewfs://records/data"


def rows(frame):
    assert frame.columns == ["row", "file", "line", "c0", "c1", "c2", "stray_quote"]
    return sorted(map(tuple, frame.collect()), key=lambda row: (row[1], row[0]))


def test_local_files(spark, folder):
    paths = sorted(spark.read.text(str(folder)).inputFiles())
    assert rows(records_frame(spark, paths, COMMAS, 3)) == EXPECTED
    frame = records_frame(spark, paths, COMMAS, 3)
    assert frame.rdd.getNumPartitions() == 3
    assert [field.dataType.simpleString() for field in frame.schema] == [
        "bigint", "int", "string", "string", "string", "string", "boolean"
    ]  # fmt: skip


def test_files_of_another_file_system(spark, remote):
    paths = sorted(spark.read.text(remote).inputFiles())
    assert all(path.startswith("viewfs://records/data/") for path in paths)
    assert rows(records_frame(spark, paths, COMMAS, 3)) == EXPECTED
    assert rows(records_frame(spark, paths[1:2], COMMAS, 3)) == [(1, 1, *EXPECTED[2][2:])]


def test_a_remote_file_that_is_too_large(spark, folder, remote):
    with (folder / "large.csv").open("wb") as stream:
        stream.truncate(1 << 31)  # holds no block of the disk
    with pytest.raises(Exception, match=r"viewfs://records/data/large\.csv: has 2,147,483,648 bytes, .*: split it, "):
        records_frame(spark, [f"{remote}/{NAMES[0]}", f"{remote}/large.csv"], COMMAS, 3)


def test_more_records_than_a_batch_holds(spark, tmp_path):
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d,%d\n" % (row, row % 7) for row in range(25_000))))
    frame = records_frame(spark, [path.as_uri()], RecordFormat(",", False, "latin-1"), 3)
    found = frame.select(F.count("*"), F.sum("row"), F.sum("c0"), F.sum("c1"), F.count("c2")).first()
    assert found is not None
    assert tuple(found) == (
        25_000,
        25_000 * 25_001 // 2,
        24_999 * 25_000 // 2,
        sum(row % 7 for row in range(25_000)),
        0,
    )


def test_users_of_several_matrices_without_ids(spark, tmp_path):
    form = RecordFormat(",", False, "utf-8", "wide")
    for name, text in {"a.csv": "5,4\n3,\n", "b.csv": "1,2\n"}.items():
        (tmp_path / name).write_text(text)
    paths = [(tmp_path / name).as_uri() for name in ("a.csv", "b.csv")]
    two = records_frame(spark, paths, form, 3).select("c0", "c1", "c2").collect()
    assert sorted(map(tuple, two)) == [("1-1", "1", "5"), ("1-1", "2", "4"), ("1-2", "1", "3"), ("2-1", "1", "1"),
                                       ("2-1", "2", "2")]  # fmt: skip
    one = records_frame(spark, paths[1:], form, 3).select("c0", "c1", "c2").collect()
    assert sorted(map(tuple, one)) == [("1", "1", "1"), ("1", "2", "2")]


def test_a_task_reads_some_of_very_many_files(spark, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"{name},1\n")
    paths = [(tmp_path / name).as_uri() for name in ("a.csv", "b.csv")] * 501
    frame = records_frame(spark, paths, RecordFormat(",", False, "utf-8"), 1)
    assert frame.rdd.getNumPartitions() == 501
    found = frame.groupBy("c0").agg(F.count("*"), F.countDistinct("file"), F.sum("file")).orderBy("c0").collect()
    assert list(map(tuple, found)) == [("a.csv", 501, 501, 501**2), ("b.csv", 501, 501, 501 * 502)]


def test_a_file_that_is_not_as_on_the_driver(spark, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("1,2,3\n")
    frame = records_frame(spark, [path.as_uri()], RecordFormat(",", False, "utf-8"), 1)
    path.write_text("1,2\n")
    with pytest.raises(Exception, match=r"ratings\.csv: has another size on an executor than on the driver: copy it"):
        frame.count()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("absent.csv", None, "absent.csv: an executor does not find it: put it where all machines see it"),
        (
            "cut.csv.gz",
            gzip.compress(b"1,2,3\n" * 999, mtime=0)[:-9],
            "cut.csv.gz: is cut off, as gzip format: copy or download",
        ),
        ("folder.csv", "", "folder.csv: an executor cannot read it (Is a directory)"),
    ],
)
def test_a_task_names_the_file_and_the_remedy(spark, tmp_path: Path, name, data, message):
    if data == "":
        (tmp_path / name).mkdir()
    elif data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(Exception, match="DataError") as caught:
        records_frame(spark, [(tmp_path / name).as_uri()], COMMAS, 3).count()
    assert message in str(caught.value)


def test_odd_quotes(spark):
    lines = ["", '"a"', '1,"a', r'"a\"b"', r'"a\"b', r'"a\\"', '"""', "a", None]
    frame = spark.createDataFrame([(line,) for line in lines], "line string")
    expected = [False, False, True, False, True, False, True, False, None]
    assert [row[0] for row in frame.select(odd_quotes(F.col("line"))).collect()] == expected
