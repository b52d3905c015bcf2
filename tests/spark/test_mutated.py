"""Ten thousand mutated rows: never a traceback, never a row lost without a word."""

import random
import re

import numpy as np
import pytest
from preparing import adds_up, arrays_of, counts_of, run_prepare

from recsys.errors import UserError

LIMITS = (
    "2147483647", "2147483648", "-2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "1e400", "1e-400", "0x10", "NaN", "Infinity", "-0", "+1", "1.", ".5", "00001", "1_000",
    "\u0663", "\uff11", "", " ", "null", "true", "4.50000000000000000000001", "1e2147483648",
)  # fmt: skip
CASES = 10_000
STARS = {"rating_min": 0.5, "rating_max": 5.0}


def rows(generator, separator, count):
    return [
        separator.join(
            map(str, (generator.randint(1, 60), generator.randint(1, 40), generator.randint(1, 10) / 2, 100 + n))
        )
        for n in range(count)
    ]


def mutate(line, separator, generator):
    """One row's bytes, changed in one of the ways that files go bad."""
    raw = bytearray(line.encode())
    fields = line.split(separator)
    match generator.randrange(8):
        case 0:  # a bit flipped
            place = generator.randrange(len(raw))
            raw[place] ^= 1 << generator.randrange(8)
        case 1:  # cut off
            del raw[generator.randrange(len(raw)) :]
        case 2:  # a field at the limits of numbers
            fields[generator.randrange(len(fields))] = generator.choice(LIMITS)
            raw = bytearray(separator.join(fields).encode())
        case 3:  # another encoding
            fields[generator.randrange(len(fields))] = "\u00e9\u0153\U0001f3ac"
            raw = bytearray(separator.join(fields).encode(generator.choice(("utf-8", "utf-16", "utf-8-sig"))))
        case 4:  # fields too many, too few, doubled
            fields = generator.choice((fields * 2, fields[:2], fields[::-1], [*fields, "more"]))
            raw = bytearray(separator.join(fields).encode())
        case 5:  # quotes, which may not end
            fields[generator.randrange(len(fields))] = generator.choice(('"1', '1"', '"1"', '"1"1', "'1'", '"1\\"'))
            raw = bytearray(separator.join(fields).encode())
        case 6:  # bytes that are nothing
            raw[generator.randrange(len(raw)) : 0] = bytes(generator.randrange(256) for _ in range(3))
        case 7:  # two rows run together, or a line end within one
            place = generator.randrange(len(raw))
            raw[place:place] = generator.choice((b"\r", b"\n", b"\r\n", b"\x00", b"\x85", b"\xe2\x80\xa8"))
    return bytes(raw).replace(b"\x00", b"\x01")  # a file with NUL bytes is refused as a whole


def lines_in(raw):
    """As Hadoop reads text: ended by LF, CR or both."""
    return [line for line in re.split(rb"\r\n|\r|\n", raw) if line]


@pytest.mark.parametrize("separator", [",", "::", "\t"], ids=["csv", "colons", "tab"])
def test_mutated_ratings(spark, tmp_path, separator):
    generator = random.Random(f"ratings {separator}")
    header = [separator.join(("userId", "movieId", "rating", "timestamp")).encode()]
    good = [row.encode() for row in rows(generator, separator, 2000)]
    bad = [mutate(row, separator, generator) for row in rows(generator, separator, CASES // 3 + 1)]
    body = good + bad
    generator.shuffle(body)
    files = [body[start::3] for start in range(3)]
    folder = tmp_path / "ratings"
    folder.mkdir()
    for number, part in enumerate(files):
        (folder / f"part-{number}.csv").write_bytes(b"\n".join([*header, *part]) + b"\n")
    prepared = run_prepare(
        spark, ratings=str(folder / "*.csv"), separator=separator, header=True, max_rejected=1.0, **STARS
    )
    statistics = prepared.statistics
    assert adds_up(statistics)
    # a quoted field may go on in the next line, where that is no row itself
    joined = sum(row.line.count("\n") for row in prepared.rejected.collect())
    assert statistics["rows_read"] + joined == sum(len(lines_in(b"\n".join(part))) for part in files)
    assert sum(counts_of(prepared).values()) == statistics["rows_rejected"] > CASES // 10
    assert prepared.rejected.count() == statistics["rows_rejected"]
    arrays = arrays_of(prepared)
    assert sum(map(len, arrays.values())) == statistics["ratings"]
    values = np.array([rating for array in arrays.values() for rating in array.values()])
    assert ((values >= 0.5) & (values <= 5)).all()


def test_mutated_movies(spark, tmp_path):
    """A movie whose row is lost takes its ratings along, and both are told."""
    generator = random.Random("movies")
    (tmp_path / "r.csv").write_bytes(
        b"userId,movieId,rating,timestamp\n" + "\n".join(rows(generator, ",", 3000)).encode()
    )
    movies = [f'{number},"Film {number}, The ({1900 + number % 120})",Drama' for number in range(1, 1001)]
    lines = [mutate(row, ",", generator) if n % 2 else row.encode() for n, row in enumerate(movies)]
    (tmp_path / "m.csv").write_bytes(b"movieId,title,genres\n" + b"\n".join(lines) + b"\n")
    prepared = run_prepare(spark, ratings=str(tmp_path / "r.csv"), movies=str(tmp_path / "m.csv"), max_rejected=1.0)
    statistics = prepared.statistics
    assert adds_up(statistics)
    told = statistics["movies_file"]
    rejected = sum(one["count"] for one in told["rejected"].values())
    assert told["rows_read"] == told["known"] + rejected and rejected > 50
    assert 0.95 * len(lines_in(b"\n".join(lines))) < told["rows_read"] <= len(lines_in(b"\n".join(lines)))
    assert counts_of(prepared)["unknown_movie"] > 0


def test_a_movie_that_nobody_rated(spark, tmp_path):
    (tmp_path / "r.csv").write_text("userId,movieId,rating,timestamp\n1,3,4.0,1\n")
    (tmp_path / "m.csv").write_text("movieId,title,genres\n1,Alone (1990),a\n3,Seen (1991),b\n")
    prepared = run_prepare(spark, ratings=str(tmp_path / "r.csv"), movies=str(tmp_path / "m.csv"))
    assert prepared.items["movie_id"].tolist() == [3]
    told = prepared.statistics["movies_file"]
    assert (told["known"], told["in_years"], prepared.statistics["movies"]) == (2, 2, 1)


@pytest.mark.parametrize(
    ("text", "users", "movies", "ratings"),
    [
        ("1,1,4.0,1\n", 1, 1, 1),
        ("9223372036854775807,2147483648,4.0,1\n2147483648,9223372036854775807,3.0,1\n", 2, 2, 2),
        ("".join(f"1,{movie},3.0,1\n" for movie in range(1, 50_001)) + "2,7,1.0,1\n", 2, 50_000, 50_001),
        ("".join(f"{user},1,3.0,1\n" for user in range(1, 3001)), 3000, 1, 3000),
    ],
    ids=["one user, one movie", "ids at the limits", "a user with 50,000 ratings", "one movie"],
)
def test_shapes_at_the_limits(spark, tmp_path, text, users, movies, ratings):
    (tmp_path / "r.csv").write_text("userId,movieId,rating,timestamp\n" + text)
    statistics = run_prepare(spark, ratings=str(tmp_path / "r.csv")).statistics
    assert (statistics["users"], statistics["movies"], statistics["ratings"]) == (users, movies, ratings)


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", b"\x00" * 5000, bytes(range(256)) * 40, b"userId,movieId,rating,timestamp\n"]
)
def test_files_that_hold_no_ratings_are_refused_in_a_sentence(spark, tmp_path, raw):
    (tmp_path / "r.csv").write_bytes(raw)
    with pytest.raises(UserError) as refused:
        run_prepare(spark, ratings=str(tmp_path / "r.csv"))
    assert "r.csv" in str(refused.value) and "Traceback" not in str(refused.value)
