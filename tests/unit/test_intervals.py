"""Stretches of time, against a count of hundredths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cost.timeline import common_seconds, fraction_within, holds, merged, seconds_of
from monitor.plots.run import spread

intervals = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda p: (min(p), max(p))), max_size=6)


def cells(some: list[tuple[int, int]]) -> set[int]:
    return {cell for start, end in some for cell in range(start, end)}


@given(some=intervals, start=st.integers(0, 40), length=st.integers(1, 20))
def test_what_intervals_have_in_common(some: list[tuple[int, int]], start: int, length: int) -> None:
    times = merged(some)
    assert all(one[1] < other[0] for one, other in pairwise(times))
    assert seconds_of(times) == len(cells(some))
    expected = len(cells(some) & set(range(start, start + length)))
    assert common_seconds((start, start + length), times) == expected
    assert fraction_within((start, start + length), times) == pytest.approx(expected / length)
    assert holds(times, start) == any(low < start <= high for low, high in times)


@given(
    places=st.lists(st.floats(0, 1), max_size=12).map(sorted),
    apart=st.sampled_from([0.01, 0.05, 0.08]),
)
def test_names_are_spread_without_touching_each_other(places: list[float], apart: float) -> None:
    found = spread(places, apart)
    assert len(found) == len(places)
    assert all(later - earlier >= apart - 1e-9 for earlier, later in pairwise(found))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found)


def test_names_that_have_room_stay() -> None:
    assert spread([0.1, 0.5, 0.9], 0.1) == [0.1, 0.5, 0.9]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([0.99, 1.0], 0.1) == pytest.approx([0.9, 1.0])
