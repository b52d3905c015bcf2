"""The release year at a title's end. The pattern is Java's for Spark; Python reads it the same way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.catalogue import CATALOGUE
from recsys.data.ingest.parse import YEAR_PATTERN
from recsys.data.sources.layout import split_line

DATA = Path(__file__).parents[2].parent / "shared" / "data"

# In Java \s and \d are ASCII only
PATTERN = re.compile(YEAR_PATTERN, re.ASCII)


def year_of(title: str) -> int | None:
    found = PATTERN.search(title)
    return int(found.group(1)) if found else None


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Heat (1995)", 1995),
        ("Return of the Jedi (1983)   ", 1983),
        ("Return of the Jedi (1983)\t", 1983),
        ("Return of the Jedi (1983)\u00a0", 1983),
        ("Return of the Jedi (1983))", 1983),
        ("Return of the Jedi ((1983))", 1983),
        ("Return of the Jedi ( (1983) ) ", 1983),
        ("Return of the Jedi (1983 )", 1983),
        ("Planet Earth (2006–2007)", 2006),
        ("Planet Earth (2006-2007)", 2006),
        ("Planet Earth (2006 — 2007)", 2006),
        ("Doctor Who (2009– )", 2009),
        ("Doctor Who (2009-)", 2009),
        ("Big Bang Theory, The (2007-) ", 2007),
        ("Fawlty Towers (1975) -", 1975),
        ("Mona and the Time of Burning Love (1983) –", 1983),
        ("Naked Truth, The (1957) (Your Past Is Showing)", 1957),
        ("Three Colours: Blue (Trois couleurs: Bleu) (1993)", 1993),
        ("1984 (1956)", 1956),
        ("2001: A Space Odyssey (1968)", 1968),
        ("Blade Runner 2049 (2017)", 2017),
        ("Death Race 2000 (1975)", 1975),
        ("Roundhay Garden Scene (1888)", 1888),
    ],
)
def test_the_year_that_closes_a_title(title: str, year: int) -> None:
    assert year_of(title) == year


@pytest.mark.parametrize(
    "title",
    [
        "Babylon 5",
        "1984",
        "2001: A Space Odyssey",
        "Death Race 2000",
        "Blade Runner 2049",
        "Stranger Things (19)",
        "Room 1408 (140)",
        "(500) Days of Summer",
        "Ready Player (3000)",
        "Nineteen (1700)",
        "Hyena Road (2015",
        "Paterson 2016)",
        "",
    ],
)
def test_a_number_elsewhere_is_no_year(title: str) -> None:
    assert year_of(title) is None


def test_of_two_years_the_last_counts() -> None:
    assert year_of("Best of 1990 (1990) (1995)") == 1995
    assert year_of("Beauty (1946) (1991)") == 1991


@given(name=st.text(max_size=20), year=st.integers(1800, 2199), blanks=st.integers(0, 3))
def test_any_name_may_stand_before_the_year(name: str, year: int, blanks: int) -> None:
    assert year_of(f"{name} ({year})" + " " * blanks) == year


@pytest.mark.parametrize(
    ("dataset", "movies", "without"), [("ml-25m", 62_423, 409), ("ml-latest-small", 9_742, 12), ("ml-100k", 1_682, 1)]
)
def test_titles_of_real_data_without_a_year(dataset: str, movies: int, without: int) -> None:
    layout = CATALOGUE[dataset].movies
    assert layout is not None
    path = DATA / dataset / layout.path
    if not path.exists():
        pytest.skip(f"{path} is not on this machine: MovieLens data may not be redistributed")
    lines = path.read_text(encoding=layout.encoding).splitlines()[1 if layout.header else 0 :]
    titles = [split_line(line, layout.separator, layout.quoted)[1] for line in lines]
    assert len(titles) == movies
    years = [year_of(title) for title in titles]
    assert years.count(None) == without
    # independent of the pattern: a title that ends in plain brackets has exactly that year
    plain = {title: int(title[-5:-1]) for title in titles if re.search(r" \((1[89]|20)[0-9]{2}\)\Z", title)}
    assert len(plain) > 0.98 * movies
    assert {title: year for title, year in zip(titles, years, strict=True) if title in plain} == plain
