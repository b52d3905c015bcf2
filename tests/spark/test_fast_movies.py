"""Movies that the driver parses itself: the same as by the full parser, or left to it."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.config import DataConfig
from recsys.data.ingest.fast_movies import parse_movie_lines, read_movies
from recsys.data.ingest.movies import collect_rows
from recsys.data.ingest.parse import parse_movies
from recsys.data.ingest.rows import read_rows
from recsys.data.sources.files import find_sources

RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,1\n"
COMMA = [
    "1,Toy Story (1995),a|b", '2,"American President, The (1995)",c', '3,"The ""Big"" One (1997) ",d', "4,,e", "5,x",
    '6,"",f', "7, blanks  (1950) ,g", "8,C:\\ (2001–2003),h", "9,No year,i", "10,A (1957) (Your Past Is Showing),j",
    "11,Ä(1990)\u00a0,k", "12,(1999),", "13,'quoted' (1888),l", "14,End (2009– ),m,n,o",
]  # fmt: skip
COLONS = ["1::Toy Story (1995)::a", "2::Star Wars: Episode IV (1977)::b", "3::x:y::c", "4::::", "5::One, Two (1980)::d"]


def sources_of(spark, folder, text):
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "movies.csv").write_text(text)
    data = DataConfig(ratings=str(folder / "ratings.csv"), movies=str(folder / "movies.csv"))
    return find_sources(spark, data, "", "")


def by_spark(spark, movies):
    return collect_rows(parse_movies(read_rows(spark, movies), True))


def rows_of(frame):
    """What the movies are made of, in the order of the rows."""
    frame = frame.sort_values(["file", "position"])
    headers = frame["reason"].notna()
    years = [None if pd.isna(year) else int(year) for year in frame["year"]]
    told = zip(frame["movie"], frame["title"], years, frame["reason"].fillna(""), strict=True)
    return [("header",) if header else one for header, one in zip(headers, told, strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "movieId,title,genres\n" + "\n".join(COMMA) + "\n\nmovieId,title,genres\n99,Last (2000),x",
        "movieId,title,genres\r\n" + "\r\n".join(COMMA),
        "\n".join(COLONS),
    ],
    ids=["commas", "ends of Windows", "colons"],
)
def test_both_parsers_say_the_same(spark, tmp_path, text):
    movies = sources_of(spark, tmp_path, text).movies
    found = read_movies(movies, True)
    assert found is not None
    assert rows_of(found) == rows_of(by_spark(spark, movies))


@pytest.mark.parametrize(
    "line",
    [
        "x,Bad (1985),x",
        "0012,(1999),x",
        ",None (1985),x",
        '15,a "b" c,x',
        '16,"cut off',
        "17,tab\there,x",
        "9999999999999999999,big,x",
    ],
)
def test_other_forms_are_left_to_the_full_parser(spark, tmp_path, line):
    movies = sources_of(spark, tmp_path, "\n".join(["movieId,title,genres", *COMMA, line, ""])).movies
    assert read_movies(movies, True) is None


def test_what_is_not_utf_8_is_left_to_the_full_parser(spark, tmp_path):
    movies = sources_of(spark, tmp_path, "movieId,title,genres\n1,Toy (1995),a\n").movies
    assert read_movies(movies, False) is None
    (tmp_path / "movies.csv").write_bytes(b"movieId,title,genres\n1,Am\xe9lie (2001),a\n")
    assert read_movies(movies, True) is None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    titles=st.lists(st.text("ab1 9(20)-–[]'\\#é\u00a0,\"", max_size=24), min_size=40, max_size=40),
    quoted=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_whatever_the_titles(spark, tmp_path, titles, quoted):
    lines = [
        f'{number},"{title.replace(chr(34), 2 * chr(34))}",x' if quotes else f"{number},{title},x"
        for number, (title, quotes) in enumerate(zip(titles, quoted, strict=True), 1)
    ]
    text = "\n".join(["movieId,title,genres", *COMMA, *lines])
    movies = sources_of(spark, tmp_path, text).movies
    simple = [line for line in lines if parse_movie_lines(movies.layout, [(1, line)]) is not None]
    assert all(line in simple for line, quotes in zip(lines, quoted, strict=True) if quotes)
    movies = sources_of(spark, tmp_path, "\n".join(["movieId,title,genres", *COMMA, *simple])).movies
    if any('\\"' in line for line in simple):  # it may escape a quote, so that the record reader is needed
        assert read_movies(movies, True) is None
    else:
        assert rows_of(read_movies(movies, True)) == rows_of(by_spark(spark, movies))
