"""What rows say, told from the first of them and corrected by all."""

from __future__ import annotations

from collections import Counter

import pytest

from recsys.config.load import build_data
from recsys.data.sources.layout import RATINGS_ORDER
from recsys.data.sources.meaning import own_sources, retold
from recsys.data.sources.text_source import own_hints, text_source
from recsys.recommend.lookup import liked

OWN = build_data({"ratings": "r.csv"})
LOOKED = "userId,movieId,rating\n" + "".join(f"{n},{n % 17},{n % 5 + 1}\n" for n in range(1000))


@pytest.mark.parametrize(
    ("off", "rows", "high"),
    [
        # rows with a field too many have times for ratings: rare among all rows, though not among the first
        ({float(1112486000 + n): 1 for n in range(300)}, 25_000_000, 5),
        ({float(1112486000 + n): 1 for n in range(300)}, 3_000, 1112486299),
        ({10.0: 3, 9.0: 1}, 25_000_000, 10),
        ({float(value): 1_000_000 for value in range(6, 11)}, 25_000_000, 10),
    ],
)
def test_later_ratings_widen_the_scale_unless_they_are_mistakes(off: dict[float, int], rows: int, high: float) -> None:
    source = text_source("r.csv", {"r.csv": LOOKED.encode()}, ["r.csv"], own_hints(OWN, RATINGS_ORDER))
    sources = own_sources(source, None, OWN)
    assert (sources.scale.low, sources.scale.high) == (1, 5)
    assert Counter(sources.ratings.look.values) == {float(value): 200 for value in range(1, 6)}
    scale = retold(sources, off, rows, OWN).scale
    assert (scale.low, scale.high) == (1, high)


def test_likes_of_a_user_are_told_as_those_of_the_data() -> None:
    as_floats = {1: 3.299999952316284, 2: 3.200000047683716}  # 3.3 and 3.2 as the data hold them
    assert liked(as_floats, 3.3) == {1: 3.299999952316284}
    assert liked(as_floats, None) == as_floats
