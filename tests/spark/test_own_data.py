"""Own data of any kind: every row is accounted for, nothing is lost or merged without a word."""

import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from preparing import adds_up, arrays_of, counts_of, run_prepare

from recsys.data.sources.layout import HEAD_BYTES
from recsys.errors import DataError
from spark_jobs.run.messages import describe_data

NAMES = {"user": "user_id", "movie": "item_id", "rating": "score", "timestamp": "time"}


@pytest.mark.parametrize("seed", range(5))
def test_any_scale_any_code_any_order_of_columns(spark, tmp_path, seed):
    """Generated rows of which it is known what each is: they come out as that."""
    generator = random.Random(seed)
    low, high, step = generator.choice([(0, 10, 1), (-10, 10, 0.25), (-1, 1, 1), (1, 100, 1), (0.5, 5, 0.5)])
    code = generator.choice([-99, 999])
    order = generator.sample(list(NAMES), 4)
    separator = generator.choice([",", ";", "\t", "::"])
    rows, expected, not_rated, bad = [], {}, 0, 0
    for n in range(2000):
        user, movie = f"{generator.randint(0, 60):02d}", f"m{generator.randint(1, 40)}"
        rating = low + step * generator.randint(0, round((high - low) / step))
        kind = generator.random()
        if kind < 0.1:
            rating, not_rated = code, not_rated + 1
        elif kind < 0.15:
            bad += 1
        else:
            expected[user, movie] = rating
        fields = {"user": user, "movie": movie, "rating": f"{rating:g}", "timestamp": str(10**9 + n)}
        if 0.1 <= kind < 0.15:
            fields["rating"] = generator.choice(["", "x", f"{high + 1000}"])
        rows.append(separator.join(fields[name] for name in order))
    header = separator.join(NAMES[name] for name in order)
    (tmp_path / "r.txt").write_text("\n".join([header, *rows]) + "\n")
    scale = {"rating_min": float(low), "rating_max": float(high)}
    made = run_prepare(spark, ratings=str(tmp_path / "r.txt"), missing=(float(code),), max_rejected=1.0, **scale)
    found = made.statistics
    assert adds_up(found) and found["rows_read"] == 2000
    counts = counts_of(made)
    repeated = counts.pop("duplicate", 0)
    assert (found["not_rated"], sum(counts.values())) == (not_rated, bad)
    assert {(user, movie): rating for user, array in arrays_of(made).items() for movie, rating in array.items()} == {
        pair: np.float32(rating) for pair, rating in expected.items()
    }
    assert repeated == 2000 - not_rated - bad - len(expected)
    assert f"2,000 rows: {len(expected):,} ratings of" in describe_data(found)
    assert f"{not_rated:,} rows say 'not rated'" in describe_data(found)


def write(path, rows, header="userId,movieId,rating\n"):
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return str(path)


def many(count=HEAD_BYTES // 8):
    """Rows that fill more than the first bytes that are looked at."""
    return [f"{n % 3000 + 100},{n // 3000 + 100},{n % 9 + 1}" for n in range(count)]


def test_later_rows_widen_the_told_scale(spark, tmp_path):
    path = write(tmp_path / "r.csv", [*many(), "7,7,12", "7,8,11"])
    found = run_prepare(spark, ratings=path).statistics
    assert (found["scale"]["min"], found["scale"]["max"], found["rejected"]) == (1, 12, {})
    assert "later rows widen the scale: ratings from 1 to 12" in describe_data(found)
    assert any(note.startswith("ratings from 1 to 12 in steps of 1") for note in found["told"])


def test_a_later_mistake_does_not(spark, tmp_path):
    path = write(tmp_path / "r.csv", [*many(), "7,7,4000"])
    made = run_prepare(spark, ratings=path)
    assert (made.statistics["scale"]["max"], counts_of(made)) == (10, {"off_scale": 1})
    assert "widen" not in describe_data(made.statistics)
    (example,) = made.statistics["rejected"]["off_scale"]["examples"]
    assert (example["row"], example["field"], example["text"]) == (HEAD_BYTES // 8 + 2, "rating", "7,7,4000")


def test_a_given_scale_that_rows_contradict(spark, tmp_path):
    path = write(tmp_path / "r.csv", [f"{n},1,{n % 10 + 1}" for n in range(100)])
    with pytest.raises(DataError, match=r"off the scale of 1 to 5: 6 \(10 rows\), .*--set data\.rating_max=10"):
        run_prepare(spark, ratings=path, rating_min=1.0, rating_max=5.0)


def test_a_later_leading_zero_makes_all_ids_text(spark, tmp_path):
    path = write(tmp_path / "r.csv", [*many(), "0100,100,3", "100,0100,4"])
    arrays = arrays_of(run_prepare(spark, ratings=path))
    assert arrays["0100"] == {"100": 3.0} and arrays["100"]["0100"] == 4.0
    arrays = arrays_of(run_prepare(spark, ratings=path, id_type="integer", max_rejected=1.0))
    assert arrays[100][100] == 4.0


def test_movies_with_leading_zeros_make_the_ratings_movies_text(spark, tmp_path):
    path = write(tmp_path / "r.csv", ["1,10,3", "2,10,4"])
    movies = write(tmp_path / "m.csv", ["10,Ten", "010,Other"], "movieId,title\n")
    made = run_prepare(spark, ratings=path, movies=movies)
    assert made.items[["movie_id", "title"]].to_numpy().tolist() == [["10", "Ten"]]
    assert set(arrays_of(made)) == {1, 2}


def test_a_later_line_break_in_quotes(spark, tmp_path):
    rows = [f'{row},"a note"' for row in many()]
    path = write(tmp_path / "r.csv", [*rows, '7,7,3,"two\nlines"', '8,7,3,"x"'], "userId,movieId,rating,note\n")
    found = run_prepare(spark, ratings=path, columns={"timestamp": "none"}).statistics
    assert (found["rows_read"], found["rejected"]) == (len(rows) + 2, {})
    assert any("read by one task a file" in note for note in found["told"])


@pytest.mark.parametrize(
    ("duplicates", "array", "merged", "rejected"),
    [
        ("latest", {1: 5.0, 2: 3.0}, 0, {"duplicate": 2}),
        ("sum", {1: 8.0, 2: 3.0}, 2, {}),  # of counts
        ("mean", {1: np.float32(8 / 3), 2: 3.0}, 2, {}),
        ("reject", {2: 3.0}, 0, {"duplicate": 3}),
    ],
)
def test_repeated_rows(spark, tmp_path, duplicates, array, merged, rejected):
    rows = ["1,1,2,10", "1,2,3,10", "1,1,5,30", "1,1,1,20"]
    path = write(tmp_path / "r.csv", rows, "userId,movieId,rating,timestamp\n")
    feedback = "counts" if duplicates == "sum" else "auto"
    made = run_prepare(spark, ratings=path, duplicates=duplicates, feedback=feedback, max_rejected=1.0)
    assert arrays_of(made) == {1: array}
    assert (made.statistics["merged"], counts_of(made), adds_up(made.statistics)) == (merged, rejected, True)


def test_ratings_are_not_added_up(spark, tmp_path):
    path = write(tmp_path / "r.csv", ["1,1,4", "1,1,4", "1,2,5"])
    with pytest.raises(DataError, match="'sum' would add ratings up, off their scale: use 'mean'"):
        run_prepare(spark, ratings=path, duplicates="sum")


def test_null_is_no_user(spark, tmp_path):
    path = write(tmp_path / "r.csv", ["ann,1,4", "NULL,1,3", "nan,2,3", "\\N,2,3", "bob,2,5", "Nan Goldin,1,2"])
    made = run_prepare(spark, ratings=path, max_rejected=1.0)
    assert (set(arrays_of(made)), counts_of(made)) == ({"ann", "bob", "Nan Goldin"}, {"missing_field": 3})


def test_repeated_likes_are_one_like_or_a_count(spark, tmp_path):
    path = write(tmp_path / "r.csv", ["1,1", "1,1", "1,2", "2,1"], "user,item\n")
    found = run_prepare(spark, ratings=path).statistics
    assert (found["feedback"], found["ratings"], found["merged"], found["rejected"]) == ("likes", 3, 1, {})
    made = run_prepare(spark, ratings=path, duplicates="sum")
    assert (made.statistics["feedback"], arrays_of(made)[1]) == ("counts", {1: 2.0, 2: 1.0})


def test_milliseconds_and_dates_order_repeated_rows(spark, tmp_path):
    for times in (["1000000000500", "1000000000400"], ["2001-09-09 01:46:40.5", "2001-09-09 01:46:40.4"]):
        rows = [f"1,1,5,{times[0]}", f"1,1,2,{times[1]}"]
        path = write(tmp_path / "r.csv", rows, "userId,movieId,rating,timestamp\n")
        assert arrays_of(run_prepare(spark, ratings=path, max_rejected=1.0)) == {1: {1: 5.0}}


def test_parquet_as_pandas_and_polars_write_it(spark, tmp_path):
    ids = np.array([2**63 + 5, 2**63 + 6, 7], np.uint64)
    table = {
        "userId": pa.array(ids),
        "movieId": pa.array([1, 2, 3], pa.uint64()),
        "rating": pa.array([0.0, 3.0, 5.0]),
        "timestamp": pa.array(pd.date_range("2020-01-01", periods=3, unit="ns")),
    }
    pq.write_table(pa.table(table), tmp_path / "r.parquet", version="2.6")
    made = run_prepare(spark, ratings=str(tmp_path / "r.parquet"))
    assert arrays_of(made) == {str(2**63 + 5): {1: 0.0}, str(2**63 + 6): {2: 3.0}, "7": {3: 5.0}}
    assert made.statistics["times"] == "nanoseconds"


def test_paths_that_look_like_globs_and_folders_with_documents(spark, tmp_path):
    folder = tmp_path / "own [2020] {a}"
    folder.mkdir()
    (folder / "README.md").write_text("Ratings, of films, by users.\n")
    write(folder / "part 1.csv", ["1,1,3", "1,2,4"])
    assert run_prepare(spark, ratings=str(folder / "part 1.csv")).statistics["ratings"] == 2
    made = run_prepare(spark, ratings=str(folder))
    assert made.statistics["rows_read"] == 2
    assert any("README.md: not read" in note for note in made.statistics["told"])


def test_ids_with_and_without_decimals_are_the_same(spark, tmp_path):
    write(tmp_path / "a.csv", ["1.0,5.0,3"])
    write(tmp_path / "b.csv", ["1,6,4"])
    assert arrays_of(run_prepare(spark, ratings=str(tmp_path / "*.csv"))) == {1: {5: 3.0, 6: 4.0}}


def test_parquet_beside_a_document_and_ratings_that_are_flags(spark, tmp_path):
    table = pd.DataFrame({"userId": [1, 2, 3, 1], "movieId": [7, 7, 8, 8], "rating": [True, False, True, False]})
    table.to_parquet(tmp_path / "r.parquet")
    (tmp_path / "README.md").write_text("These are ratings.\n")
    made = run_prepare(spark, ratings=str(tmp_path))
    assert adds_up(made.statistics) and made.statistics["ratings_by_value"] == {"0": 2, "1": 2}
    assert any("README.md: not read as ratings" in note for note in made.statistics["told"])


def test_a_column_of_lists_is_no_rating(spark, tmp_path):
    pd.DataFrame({"userId": [1], "movieId": [7], "rating": [[4, 5]]}).to_parquet(tmp_path / "r.parquet")
    message = r"the column 'rating' is of type array<bigint>, which is no rating: name another in data\.columns\.rating"
    with pytest.raises(DataError, match=message):
        run_prepare(spark, ratings=str(tmp_path / "r.parquet"))


def test_one_file_of_whole_numbers_and_one_of_decimal_commas(spark, tmp_path):
    header = "user;item;rating\n"
    (tmp_path / "a.csv").write_text(header + "".join(f"{n % 9};{n};{n % 5 + 1}\n" for n in range(50)))
    (tmp_path / "b.csv").write_text(header + "".join(f"{n % 9};{n};{n % 4 + 1},5\n" for n in range(50, 90)))
    made = run_prepare(spark, ratings=str(tmp_path))
    assert adds_up(made.statistics) and made.statistics["ratings"] == 90


def test_rows_with_a_field_too_many_do_not_stretch_the_scale(spark, tmp_path):
    rows = [f"{n % 900},{n},{n % 5 + 1},{10**9 + n}\n" for n in range(30_000)]
    for n in range(29_000, 29_200):
        rows[n] = f"{n % 900},{n},or a title,{n % 5 + 1},{10**9 + n}\n" if n % 2 else f"{n % 900},{n},{10**9 + n},3\n"
    (tmp_path / "r.csv").write_text("userId,movieId,rating,timestamp\n" + "".join(rows))
    made = run_prepare(spark, ratings=str(tmp_path / "r.csv"))
    assert adds_up(made.statistics) and made.statistics["scale"]["max"] == 5
    assert counts_of(made) == {"does_not_parse": 100, "off_scale": 100}
