"""Own files before Spark starts: what they are told to hold, and what is refused at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recsys.config.load import build_data
from recsys.data.sources.early import look_early
from recsys.errors import DataError

GOOD = "userId,movieId,rating\n" + "".join(f"{n % 30},{n % 17},{n % 5 + 1}\n" for n in range(200))


def look(folder: Path, text: str | bytes, **data: object) -> list[str]:
    (folder / "r.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return look_early(build_data({"ratings": str(folder / "r.csv"), **data}))


def test_good_files_say_nothing(tmp_path: Path) -> None:
    assert look(tmp_path, GOOD) == []
    (tmp_path / "m.csv").write_text("movieId,title\n" + "".join(f"{n}.0,Film {n}\n" for n in range(17)))
    assert look(tmp_path, GOOD, movies=str(tmp_path / "m.csv")) == []


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("", {}, "is empty"),
        (
            GOOD,
            {"rating_min": 6.0, "rating_max": 10.0},
            "of all 200 rows 200 cannot be used (off the scale of 6 to 10: 200, such as '0 0 1'",
        ),
        (GOOD.replace(",3\n", ",three\n"), {}, "of all 200 rows 40 cannot be used (without a rating that is a number"),
        ("user,item,rating\n", {}, "r.csv: holds no row but its header"),
        (
            "Käufer;item;rating\n".encode("cp1252") + "ä1;2;3\n".encode("cp1252") * 9,
            {"columns": {"user": 1}},
            "of all 9 rows 9 cannot be used (with bytes that are not in the encoding: set data.encoding, such as",
        ),
        ("user,item,wert\n1,2,3\n", {}, "no column 'rating' in row 1"),
        (GOOD, {"feedback": "ratings", "columns": {"rating": "none"}}, "holds no ratings, as data.feedback"),
        (GOOD.encode("utf-16"), {"encoding": "UTF-8"}, "not a text file in UTF-8 (it holds NUL bytes): set data.encod"),
        (b"PK\x03\x04" + bytes(range(256)), {}, "r.csv"),
    ],
)
def test_hopeless_files(tmp_path: Path, text: str | bytes, data: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)) as refused:
        look(tmp_path, text, **data)
    assert "r.csv" in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        look_early(build_data({"ratings": str(tmp_path / "none.csv")}))


def test_files_elsewhere_are_not_looked_at() -> None:
    assert look_early(build_data({"ratings": "hdfs://host/r.csv"})) == []
    assert look_early(build_data({"dataset": "ml-1m"})) == []


def test_a_few_bad_rows_of_a_long_file_are_a_warning(tmp_path: Path) -> None:
    rows = ["userId,movieId,rating\n"] + [f"{n % 90},{n % 70},{'x' if n < 900 else 3}\n" for n in range(40_000)]
    (warning,) = look(tmp_path, "".join(rows))
    assert "of the first" in warning and "900 cannot be used (without a rating that is a number" in warning


def test_movies_of_other_ids(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("movieId,title\n" + "".join(f"tt{n},Film {n}\n" for n in range(17)))
    with pytest.raises(DataError, match="none of its first 200 ratings is of a movie in"):
        look(tmp_path, GOOD, movies=str(tmp_path / "m.csv"))


def test_documents_in_a_folder_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("These are ratings, of movies.\n")
    (tmp_path / "part.csv").write_text(GOOD)
    assert look_early(build_data({"ratings": str(tmp_path)})) == []
