"""Movies by their titles as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import UserError
from recsys.recommend.titles import find_title, parse_ratings

TITLES = [
    "Heat (1995)",
    "Matrix, The (1999)",
    "Italian Job, The (1969)",
    "Italian Job, The (2003)",
    "Heat (1986)",
    "Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)",
    "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)",
    "2001: A Space Odyssey (1968)",
    "Babylon 5",
    "Avventura, L' (Adventure, The) (1960)",
    "Alien (1979)",
    "Aliens (1986)",
]
POPULARITY = [900, 800, 50, 300, 40, 200, 400, 500, 10, 20, 700, 600]


def find(wanted: str) -> str:
    return TITLES[find_title(wanted, TITLES, POPULARITY)]


@pytest.mark.parametrize("title", TITLES)
def test_every_title_finds_itself_in_any_case(title: str) -> None:
    assert find(title) == find(title.upper()) == find(f"  {title.lower()} ") == title


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ("matrix, the", "Matrix, The (1999)"),
        ("The Matrix", "Matrix, The (1999)"),
        ("the matrix (1999)", "Matrix, The (1999)"),
        ("matrix", "Matrix, The (1999)"),
        ("babylon 5", "Babylon 5"),
        ("2001 a space odyssey", "2001: A Space Odyssey (1968)"),
        ("alien", "Alien (1979)"),
        ("The Aliens", "Aliens (1986)"),
    ],
)
def test_case_article_and_year_may_differ(wanted: str, title: str) -> None:
    assert find(wanted) == title


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ("The Italian Job (1969)", "Italian Job, The (1969)"),
        ("the italian job (2003)", "Italian Job, The (2003)"),
        ("Italian Job (1969)", "Italian Job, The (1969)"),
        ("The Italian Job", "Italian Job, The (2003)"),
        ("heat (1986)", "Heat (1986)"),
        ("heat", "Heat (1995)"),
        ("heat (1994)", "Heat (1995)"),
    ],
)
def test_a_year_decides_between_namesakes_and_else_the_number_of_ratings(wanted: str, title: str) -> None:
    assert find(wanted) == title


def test_of_equally_popular_namesakes_the_first_is_taken() -> None:
    assert find_title("heat", ["Heat (1986)", "Heat (1995)"], [5, 5]) == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("The Matrx", "no movie 'The Matrx': did you mean 'Matrix, The (1999)'?"),
        ("space odyssey 2001", "did you mean '2001: A Space Odyssey (1968)'"),
        ("Aleins", "did you mean 'Aliens (1986)', or 'Alien (1979)'?"),
        ("qqqqqqqq", "no movie 'qqqqqqqq': see items.parquet"),
    ],
)
def test_a_near_miss_suggests(wanted: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        find(wanted)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("Heat=4", [("Heat", 4.0)]),
        ("Heat (1995) = 4.5 , Casino=3", [("Heat (1995)", 4.5), ("Casino", 3.0)]),
        ("Matrix, The (1999)=5,Heat=.5", [("Matrix, The (1999)", 5.0), ("Heat", 0.5)]),
        ("Good, the Bad and the Ugly, The=4, Alien=3,", [("Good, the Bad and the Ugly, The", 4.0), ("Alien", 3.0)]),
        ("E=mc2=3", [("E=mc2", 3.0)]),
    ],
)
def test_ratings_as_text(text: str, pairs: list[tuple[str, float]]) -> None:
    assert parse_ratings(text) == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Heat", "--ratings 'Heat': write 'Movie title=4.5, Another title=3'"),
        ("", "--ratings '': write"),
        ("=4", "--ratings '=4': write"),
        ("Heat=good", "--ratings: 'good' behind 'Heat' is no number: write 'Title=4.5, Title=3'"),
        ("Heat=4, Casino", "--ratings: no rating behind 'Casino': write 'Title=4.5'"),
        ("Heat=4,5", "--ratings: no rating behind '5': write 'Title=4.5'"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_ratings(text)
    assert str(caught.value).startswith(message)


names = st.text(st.characters(codec="ascii", categories=["L", "N"]) | st.sampled_from(" ,()'"), min_size=1, max_size=20)
titles = names.map(lambda text: f"a{text}z")


@given(pairs=st.lists(st.tuples(titles, st.sampled_from([0.5, 3.0, 4.5])), min_size=1, max_size=4))
def test_any_titles_with_commas_are_told_apart(pairs: list[tuple[str, float]]) -> None:
    assert parse_ratings(", ".join(f"{title}={rating}" for title, rating in pairs)) == pairs
