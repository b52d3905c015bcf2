"""What the first rows tell: the scale, counts, times and ids."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.sources.ids import are_integers
from recsys.data.sources.times import Times, told_times
from recsys.data.sources.told_scale import ToldScale, are_counts, told_scale


def scale_of(*values: float, times: int = 10) -> ToldScale:
    told = told_scale(dict.fromkeys(map(float, values), times))
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("values", "low", "high", "step"),
    [
        ((1, 2, 3, 4, 5), 1, 5, 1),
        ((2, 3, 4), 1, 5, 1),
        ((0.5, 1, 1.5, 4, 4.5), 0.5, 5, 0.5),
        ((0, 1, 2, 3, 4, 5), 0, 5, 1),
        (range(11), 0, 10, 1),
        (range(1, 10), 1, 10, 1),
        ((0, 1), 0, 1, 1),
        ((-1, 1), -1, 1, 1),
        ((-9.84, -3.2, 0.1, 7.7, 9.9), -10, 10, None),
        (range(10, 101, 10), 10, 100, 10),
        (range(101), 0, 100, 1),
        ((2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 2, 12, 1),
    ],
)
def test_scale(values: tuple[float, ...], low: float, high: float, step: float | None) -> None:
    assert scale_of(*values) == ToldScale(low, high, step)


def test_a_value_far_off_may_say_not_rated() -> None:
    assert scale_of(-1, *range(1, 11)).codes == (-1,)
    assert scale_of(99, -9.5, 0.3, 4.4, 8.8).codes == (99,)
    assert (scale_of(99, -9.5, 0.3, 4.4, 8.8).low, scale_of(99, -9.5, 0.3, 4.4, 8.8).high) == (-10, 99)
    assert scale_of(*range(-5, 6)).codes == ()


def test_a_rare_value_far_off_is_a_mistake() -> None:
    counts = {float(value): 1000 for value in range(1, 6)} | {999.0: 1}
    assert told_scale(counts) == ToldScale(1, 5, 1)


def test_rare_values_far_off_are_mistakes_together() -> None:
    times = {1112486027.0: 1, 1112484676.0: 1, 1094785740.0: 2}
    assert told_scale({float(value): 1000 for value in range(1, 6)} | times) == ToldScale(1, 5, 1)
    assert told_scale({float(value): 1000 for value in range(-5, 6)} | {-900.0: 1, -800.0: 1}) == ToldScale(-5, 5, 1)
    assert not are_counts({float(value): 1000 for value in range(1, 11)} | times)
    # no mistakes: many of them, or not far off
    assert told_scale({float(value): 10 for value in range(1, 6)} | times) == ToldScale(1, 1112486027, None)
    assert told_scale({float(value): 1000 for value in range(1, 6)} | {10.0: 1, 9.0: 1}) == ToldScale(1, 10, 1)


def test_no_ratings_tell_no_scale() -> None:
    assert told_scale({}) is None


@given(st.lists(st.sampled_from([value / 4 for value in range(-80, 81)]), min_size=1, max_size=60))
def test_every_value_is_on_the_told_scale_but_for_rare_ones(values: list[float]) -> None:
    counts = Counter(values)
    told = told_scale(counts)
    assert told is not None
    for value, count in counts.items():
        on = told.low <= value <= told.high and (told.step is None or (value - told.low) % told.step == 0)
        assert on or count <= 0.01 * len(values)


def test_counts_are_whole_numbers_some_of_them_large() -> None:
    assert are_counts({1: 30, 2: 20, 3: 10, 4: 5, 7: 3, 12: 2, 20: 2, 33: 1, 60: 1, 90: 1, 400: 1, 8000: 1})
    assert not are_counts({float(value): 5 for value in range(1, 11)})
    assert not are_counts({float(value): 1 for value in range(101)})
    assert not are_counts({0.5: 10, 300.0: 1})
    assert not are_counts({})


@pytest.mark.parametrize(("value", "count"), [(1010, 1), (999, 30)])
def test_a_mistake_or_a_code_makes_no_counts_of_ratings(value: float, count: int) -> None:
    assert not are_counts({float(value): 20 for value in range(1, 11)} | {float(value): count})


@pytest.mark.parametrize(
    ("values", "times"),
    [
        (["1260759144", "1260759179"], Times("seconds", 1, 1)),
        (["1003804733.0"], Times("seconds", 1, 1)),
        (["1260759144.25", "1260759179.5"], Times("seconds", 1, 10**6)),
        (["1260759144000"], Times("milliseconds", 10**3, 10**3)),
        (["1260759144000000"], Times("microseconds", 10**6, 10**6)),
        (["1260759144000000000"], Times("nanoseconds", 10**9, 10**9)),
        (["2005-09-02", "2005-09-02 12:00:01", "2005-09-02T12:00:01.5Z"], Times("dates", 1, 10**6)),
        (["10/23/2001"] * 3, None),
        (["Artist 4", "5"], None),
        ([], Times()),
        (["0"] * 3, Times()),
    ],
)
def test_times(values: list[str], times: Times | None) -> None:
    assert told_times(values) == times


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "-3"], True),
        ([], True),
        (["a", "b"], False),
        (["1"] * 9 + ["x"], True),
        (["1"] * 8 + ["x"] * 2, False),
        (["1.0", "2.0"], True),
        (["1.5", "2.5"], False),
        (["1"] * 99 + ["01"], False),
        (["1"] * 99 + ["+1"], False),
        (["0", "10"], True),
        (["155061221"] * 99 + ["15506122X"], False),
        (["155061221"] * 999 + ["15506122X"], True),
        (["1", "NULL", "nan", "\\N"], True),
        (["9223372036854775807"], True),
        (["9223372036854775808"], False),
    ],
)
def test_ids_are_integers_where_they_are_written_so(values: list[str], expected: bool) -> None:
    assert are_integers(values) is expected
