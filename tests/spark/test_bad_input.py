"""Rows that cannot be used: counted by reason, shown with file and row, saved, and never more than allowed."""

import gzip
import os
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from preparing import adds_up, arrays_of, counts_of, run_prepare

from recsys.data.ingest import pipeline
from recsys.data.ingest.load import load_ratings
from recsys.data.ingest.rejects import Rejected, check_rejected
from recsys.errors import DataError

HEADER = "userId,movieId,rating,timestamp"
# The number is the row's in an editor. Movies 1 to 3 are of the years 1980 to 1990, movie 4 is not.
A = f"""{HEADER}
1,1,4.0,100

1,2,3.5,100
x,1,3.0,100
1,3,4.5d,100
2,1,0X1P1,100
9223372036854775808,1,3.0,100
2,,3.0,100
2,2,,100
2,2
2,1,5.5,100
2,2,NaN,100
2,3,inf,100
{HEADER}
3,1,2.0,200
3,1,4.0,300
3,1,3.0,250
3,2,1.0,100
3,2,2.0,100
2,99,3.0,100
2,1,3.0,soon
2,4,3.0,100
2,1,3.5,100
2,4,4.0,100
"""
B = f"\n{HEADER}\n3,2,5.0,100\n4,1,0.4,100\n\n4,3,3.0,\n5,98,1.0,1\n"
MOVIES = """movieId,title,genres
1,"One, Two (1980)",x
2,"The ""Big"" One (1985)",x
y,Bad (1985),x
,None (1985),x
3,Old title (1985),x
3,Three (1990),x
movieId,title,genres
4,Four (1970),x
"""
REJECTED = {
    "does_not_parse": [("a.csv", row) for row in (5, 6, 7, 8, 22)],
    "missing_field": [("a.csv", row) for row in (9, 10, 11)],
    "off_scale": [*(("a.csv", row) for row in (12, 13, 14)), ("b.csv", 4)],
    "repeated_header": [("a.csv", 15)],
    "unknown_movie": [("a.csv", 21), ("b.csv", 7)],
    "duplicate": [("a.csv", row) for row in (16, 18, 19, 20)],
}
STARS = {"rating_min": 0.5, "rating_max": 5.0}
REJECTED_MOVIES = {"does_not_parse": 4, "missing_field": 5, "duplicate": 6, "repeated_header": 8}


@pytest.fixture(autouse=True)
def _no_waiting_for_ever():
    """A count that no action ever delivers would be waited for in silence."""

    def fail(signum, frame):
        raise TimeoutError("Spark gave no answer")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "my ratings+1"
    folder.mkdir()
    texts = {"a.csv": A, "b.csv": B}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder.parent / "movies.csv").write_text(MOVIES)
    return folder


@pytest.fixture(scope="module")
def data(folder):
    paths = {"ratings": str(folder), "movies": f"{folder.parent}/movies.csv"}
    return {**paths, **STARS, "id_type": "integer", "year_from": 1980, "year_to": 1990, "max_rejected": 1.0}


@pytest.fixture(scope="module")
def prepared(spark, data):
    return run_prepare(spark, **data)


def test_every_reason_is_counted_and_shown(prepared, folder):
    told = prepared.statistics
    assert counts_of(prepared) == {reason: len(rows) for reason, rows in REJECTED.items()}
    for reason, rows in REJECTED.items():
        shown = [(example["file"], example["row"], example["text"]) for example in told["rejected"][reason]["examples"]]
        lines = {"a.csv": A.split("\n"), "b.csv": B.split("\n")}
        assert shown == [(str(folder / name), row, lines[name][row - 1]) for name, row in rows]
    assert (told["rows_read"], told["rows_rejected"], told["ratings"]) == (27, 19, 6)
    assert told["not_selected"] == {"outside_years": 2, "outside_sample": 0, "below_positive": 0}
    assert adds_up(told)


def test_the_latest_of_a_pair_wins_else_the_last_row(prepared):
    assert arrays_of(prepared) == {1: {1: 4.0, 2: 3.5}, 2: {1: 3.5}, 3: {1: 4.0, 2: 5.0}, 4: {3: 3.0}}


def test_movies_have_their_own_rejects(prepared, folder):
    told = prepared.statistics["movies_file"]
    assert (told["rows_read"], told["known"], told["in_years"]) == (8, 4, 3)
    assert {reason: one["count"] for reason, one in told["rejected"].items()} == dict.fromkeys(REJECTED_MOVIES, 1)
    for reason, row in REJECTED_MOVIES.items():
        (example,) = told["rejected"][reason]["examples"]
        assert (example["file"], example["row"]) == (f"{folder.parent}/movies.csv", row)
    assert prepared.items["title"].tolist() == ["One, Two (1980)", 'The "Big" One (1985)', "Three (1990)"]
    assert prepared.items["movie_id"].tolist() == [1, 2, 3]


def test_all_rejected_rows_are_saved(spark, prepared, folder, tmp_path):
    prepared.save(tmp_path)
    rows = {(row.reason, row.file, row.row): row.line for row in spark.read.parquet(f"{tmp_path}/rejected").collect()}
    places = [(reason, str(folder / name), row) for reason, found in REJECTED.items() for name, row in found]
    places += [(reason, f"{folder.parent}/movies.csv", row) for reason, row in REJECTED_MOVIES.items()]
    assert sorted(rows) == sorted(places)
    assert rows["does_not_parse", str(folder / "a.csv"), 22] == "2,1,3.0,soon"


def test_too_many_rejected_rows_are_an_error_that_shows_them(spark, tmp_path):
    file = tmp_path / "ratings.csv"
    lines = [HEADER, *(f"{user},1,3.0,1" for user in range(2, 301))]
    lines[99], lines[249], lines[298] = "", "250,1,9.0,1", "299,1,,1"  # in an editor rows 100, 250 and 299
    file.write_text("\n".join(lines))
    before = spark.conf.get("spark.sql.files.maxPartitionBytes")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "700")  # one file, several tasks
    try:
        with pytest.raises(DataError, match=r"2 of 298 ratings are rejected, .*max_rejected = 0\.006") as error:
            run_prepare(spark, ratings=str(file), max_rejected=0.006, **STARS)
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", before)
    assert f"off_scale: 1\n    {file} row 250 (rating): '250,1,9.0,1'" in str(error.value)
    assert f"missing_field: 1\n    {file} row 299 (rating): '299,1,,1'" in str(error.value)
    check_rejected("ratings", 1000, {"off_scale": Rejected(6, [])}, 0.006)  # as many as are allowed


def test_a_like_that_was_taken_back_is_none(spark, tmp_path):
    (tmp_path / "ratings.csv").write_text("ann,m1,3.3,1\nann,m2,5.0,1\nann,m2,1.0,2\nbob,m2,3.3,1\nbob,m3,3.2,1\n")
    prepared = run_prepare(spark, ratings=str(tmp_path / "ratings.csv"), positive_from=3.3, max_rejected=1.0)
    assert arrays_of(prepared) == {"ann": {"m1": pytest.approx(3.3)}, "bob": {"m2": pytest.approx(3.3)}}
    assert counts_of(prepared) == {"duplicate": 1}
    assert prepared.statistics["not_selected"] == {"outside_years": 0, "outside_sample": 0, "below_positive": 2}
    assert prepared.statistics["rejected"]["duplicate"]["examples"][0]["row"] == 2
    assert prepared.items["title"].tolist() == ["movie m1", "movie m2"]


@pytest.mark.parametrize(
    ("ratings", "movies", "years", "message"),
    [
        (f"{HEADER}\n", None, {}, "no rating is left: of 0 rows read"),
        (f"{HEADER}\n1,1,9,1\n1,2,9,1\n", None, {}, "of 2 rows read 2 are rejected"),
        (f"{HEADER}\n1,1,9,1\n1,2,9,1\n", "movieId,title\n1,A (1950)\n", {}, "of 2 rows read 2 are rejected"),
        (f"{HEADER}\n1,1,3,1\n", "movieId,title\n", {}, "movies.csv: holds no movie: of 0 rows read"),
        (f"{HEADER}\n1,1,3,1\n", "movieId,title\n1,A (1950)\n", {"year_from": 1951}, "release years in .* are 1950 to"),
        (f"{HEADER}\n1,1,3,1\n", "movieId,title\n1,A\n", {"year_to": 1951}, "are not in the titles"),
        (
            f"{HEADER}\n1,1,3,1\n",
            "movieId,title\n1,A (1950)\n2,B (1960)\n",
            {"year_from": 1951},
            "1 are of other years",
        ),
        (f"{HEADER}\n1,1,3,1\n", None, {"positive_from": 4.0}, "1 below data.positive_from; widen data.positive_from"),
    ],
)
def test_an_empty_selection_is_one_line(spark, tmp_path, ratings, movies, years, message):
    (tmp_path / "ratings.csv").write_text(ratings)
    settings_ = {"ratings": str(tmp_path / "ratings.csv"), "max_rejected": 1.0, **STARS, **years}
    if movies:
        (tmp_path / "movies.csv").write_text(movies)
        settings_["movies"] = str(tmp_path / "movies.csv")
    with pytest.raises(DataError, match=message) as error:
        run_prepare(spark, **settings_)
    assert "\n" not in str(error.value)


ROW = st.lists(
    st.sampled_from(
        ["1", "2", "3", "4.5", "0.5", "", " ", "x", '"3"', '3"', "-1", "1e3", "NaN", "é", "2005-04-02", "\t"]
    ),
    min_size=0,
    max_size=6,
).map(",".join)
FILE = st.lists(st.one_of(st.sampled_from(["1,1,3.0,5", "2,1,4.0,", "2,3,0.5,7", HEADER, ""]), ROW), max_size=12)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(files=st.lists(FILE, min_size=5, max_size=5), end=st.sampled_from(["\n", "\r\n"]))
def test_no_row_is_lost_whatever_the_files_hold(spark, tmp_path, files, end):
    for number, lines in enumerate(files):
        text = end.join([HEADER, "1,1,3.0,4", *lines])
        (tmp_path / f"ratings{number}.csv").write_bytes(text.encode("utf-8" if number else "latin-1"))
    prepared = run_prepare(spark, ratings=f"{tmp_path}/ratings?.csv", id_type="integer", max_rejected=1.0)
    told = prepared.statistics
    assert adds_up(told)
    filled = sum(line != "" for lines in files for line in lines) + len(files)
    assert told["rows_read"] == filled
    rejected = prepared.rejected.collect() if prepared.rejected else []
    assert len(rejected) == told["rows_rejected"]
    for row in rejected:
        line = (tmp_path / os.path.basename(row.file)).read_bytes().split(end.encode())[row.row - 1]
        assert row.line == line.decode(errors="replace")
    prepared.blocks.unpersist()


def test_packed_files_which_spark_unpacks_give_the_same(spark, tmp_path):
    """Files that Python reads itself, and the same lines by way of Spark."""
    files = [
        f"{HEADER}\n1,1,3.0,4\n1,2,4.5,5\r\n\n2,1,x,6\n",
        f'{HEADER}\n1,1,2.0,4\n"2",1,5.0,7\n2,2,9.0,8\n3,2,1.5,9',
    ]
    for number, text in enumerate(files):
        (tmp_path / f"{number}.csv").write_bytes(text.encode())
        (tmp_path / f"{number}.csv.gz").write_bytes(gzip.compress(text.encode()))
    told = []
    for ending in ("csv", "csv.gz"):
        prepared = run_prepare(spark, ratings=f"{tmp_path}/?.{ending}", max_rejected=1.0, **STARS)
        assert arrays_of(prepared) == {1: {1: 2.0, 2: 4.5}, 2: {1: 5.0}, 3: {2: 1.5}}
        assert counts_of(prepared) == {"does_not_parse": 1, "off_scale": 1, "duplicate": 1}
        told.append([(row.reason, row.row, row.line) for row in prepared.rejected.collect()])
        prepared.blocks.unpersist()
    assert sorted(told[0]) == sorted(told[1])


def test_a_rating_that_gets_lost_on_the_way_is_an_error(spark, tmp_path, monkeypatch):
    """As where a part of the files is read again, and they are not what they were."""
    (tmp_path / "r.csv").write_text(f"{HEADER}\n1,1,4.0,1\n1,2,3.0,1\n2,1,2.5,1\n")

    def one_more(*arguments):
        loaded = load_ratings(*arguments)
        loaded.counts["read"] += 1
        return loaded

    monkeypatch.setattr(pipeline, "load_ratings", one_more)
    with pytest.raises(DataError, match=r"r\.csv: of 4 good rows read 3 were joined, .* the input changed"):
        run_prepare(spark, ratings=str(tmp_path / "r.csv"))
