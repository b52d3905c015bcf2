"""The compiled losses against the NumPy ones, which are tested against their definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from recsys.exponential import exp32, of_rank32, rank32
from recsys.losses import compiled, masked_mse, mse, multinomial
from recsys.losses.base import LossResult, Targets, Work
from recsys.losses.log_sums import LogSums, log_sums

Way = Callable[..., LossResult]
DENSE: list[tuple[Way, Way, dict[str, Any]]] = [
    (mse.softmax_mse, compiled.softmax_mse, {}),
    (multinomial.multinomial, compiled.multinomial, {}),
    (multinomial.multinomial, compiled.multinomial, {"by_value": True}),
]
SAMPLED: list[tuple[Way, Way, dict[str, Any]]] = [
    (multinomial.sampled_multinomial, compiled.sampled_multinomial, {}),
    (multinomial.sampled_multinomial, compiled.sampled_multinomial, {"by_value": True}),
]
NAMES = ["squares", "likelihood", "weighted likelihood"]


def batch(draw: np.random.Generator, rows: int, columns: int, density: float, log_weights: bool = False) -> Targets:
    """Targets of a batch; some rows rate nothing."""
    rated = draw.random((rows, columns)) < density
    rated[draw.random(rows) < 0.3] = False
    places = np.nonzero(rated)
    distinct, slots = np.unique(places[1], return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(rated.sum(axis=1))]).astype(np.int32)
    values = draw.integers(1, 11, len(slots)).astype(np.float32) / 10
    if log_weights:  # all columns are there, those that are not rated as a sample of others
        slots, distinct = places[1], np.arange(columns)
    weights = np.log(draw.integers(1, 50, len(distinct))).astype(np.float32) if log_weights else np.zeros(0, np.float32)
    offsets = draw.random(rows, np.float32)
    numbers = places[0].astype(np.int32)
    return Targets(
        rows, numbers, starts, slots.astype(np.int32), values, distinct.astype(np.int32), offsets, weights
    )  # fmt: skip


def outcome(way: Way, arguments: tuple[Any, ...], into: list[np.ndarray]) -> list[Any]:
    """The sums, the gradient of h, the decoder's gradients."""
    sums = way(*arguments, Work()).sums()
    into = [np.full_like(one, 7) for one in into]
    return [sums, way(*arguments, Work()).back(into), *into]


def check(found: list[Any], expected: list[Any], scale: float) -> None:
    assert found[0] == pytest.approx(expected[0], rel=2e-5, abs=1e-5 * max(1.0, scale))  # of logits in float32
    for one, other in zip(found[1:], expected[1:], strict=True):
        # absolute too: where probabilities are nearly equal, or one is all, both take nearly equal numbers from each
        # other, and what that leaves is multiplied by the weights
        least = 2e-7 * max(1.0, scale) + 2e-5 * float(np.abs(other).max(initial=0))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=least)


# logits from nearly equal ones to those where one column has all the probability, and denormal weights
sizes = st.tuples(st.integers(1, 9), st.integers(1, 33), st.integers(1, 5))
scales = st.sampled_from([0.0, 1e-42, 1e-3, 1.0, 30.0])


@settings(max_examples=60, deadline=None)
@given(size=sizes, scale=scales, density=st.sampled_from([0.0, 0.1, 0.9]), seed=st.integers(0, 999))
@pytest.mark.parametrize("ways", DENSE, ids=NAMES)
def test_of_all_columns(ways: tuple[Way, Way, dict[str, Any]], size: Any, scale: float, density: float, seed: int):
    (rows, columns, width), draw = size, np.random.default_rng(seed)
    targets = batch(draw, rows, columns, density)
    h = draw.normal(size=(rows, width)).astype(np.float32)
    kernel = (scale * draw.normal(size=(width, columns))).astype(np.float32)
    bias = (scale * draw.normal(size=columns)).astype(np.float32)
    slow, fast, options = ways
    both = [
        outcome(lambda *given, way=way: way(*given, **options), (h, kernel, bias, targets), [kernel, bias])
        for way in (fast, slow)
    ]
    check(both[0], both[1], scale)


@settings(max_examples=60, deadline=None)
@given(size=sizes, scale=scales, density=st.sampled_from([0.0, 0.1, 0.9]), seed=st.integers(0, 999))
@pytest.mark.parametrize("ways", SAMPLED, ids=NAMES[1:])
def test_of_sampled_columns(ways: tuple[Way, Way, dict[str, Any]], size: Any, scale: float, density: float, seed: int):
    (rows, columns, width), draw = size, np.random.default_rng(seed)
    targets = batch(draw, rows, columns, density, log_weights=True)
    h = draw.normal(size=(rows, width)).astype(np.float32)
    decoder = (scale * draw.normal(size=(columns, width + 1))).astype(np.float32)
    slow, fast, options = ways
    both = [
        outcome(lambda *given, way=way: way(*given, **options), (h, decoder, targets), [decoder])
        for way in (fast, slow)
    ]
    check(both[0], both[1], scale)


@settings(max_examples=60, deadline=None)
@given(size=sizes, scale=scales, density=st.sampled_from([0.0, 0.1, 0.9]), seed=st.integers(0, 999))
def test_of_rated_entries(size: Any, scale: float, density: float, seed: int):
    (rows, columns, width), draw = size, np.random.default_rng(seed)
    targets = batch(draw, rows, columns, density)
    h = draw.normal(size=(rows, width)).astype(np.float32)
    decoder = (scale * draw.normal(size=(len(targets.columns), width + 1))).astype(np.float32)
    slow = outcome(lambda *given: masked_mse.masked_mse("linear", *given), (h, decoder, targets), [decoder])
    check(outcome(compiled.masked_mse, (h, decoder, targets), [decoder]), slow, scale)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("ways", DENSE, ids=NAMES)
def test_what_is_no_number_stays_none(ways: tuple[Way, Way, dict[str, Any]], wrong: float):
    """A model that has diverged must not look as if it had a loss."""
    draw = np.random.default_rng(1)
    targets = batch(draw, 4, 7, 0.9)
    h, kernel, bias = (draw.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3, 7), (7,)))
    h[2, 1] = wrong
    _, fast, options = ways
    sums, of_h, of_kernel, of_bias = outcome(
        lambda *given: fast(*given, **options), (h, kernel, bias, targets), [kernel, bias]
    )
    assert np.isnan(sums[0]) and np.isnan(of_h[2]).all() and np.isfinite(of_h[[0, 1, 3]]).all()
    assert np.isnan(of_kernel).all() and np.isnan(of_bias).all()


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 70)),
    scale=scales,
    cut=st.integers(1, 69),
    seed=st.integers(0, 999),
)
def test_logarithms_of_sums(size: Any, scale: float, cut: int, seed: int):
    """Of logits in two pieces, the greatest in either of them."""
    logits = (scale * np.random.default_rng(seed).normal(size=size)).astype(np.float32)
    exact = logits.astype(np.float64)
    highest = exact.max(axis=1)
    expected = np.log(np.exp(exact - highest[:, None]).sum(axis=1)) + highest
    for sums in (LogSums(size[0]), log_sums(size[0], compiled=True)):
        for part in (logits[:, :cut], logits[:, cut:]):
            if part.size:
                sums.add(part.copy())
        np.testing.assert_allclose(sums.result(), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("place", [1, 5])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("by_kernels", [False, True], ids=["numpy", "compiled"])
def test_what_is_no_number_stays_none_in_pieces(by_kernels: bool, wrong: float, place: int):
    logits, sums = np.ones((3, 6), np.float32), log_sums(3, by_kernels)
    logits[1, place] = wrong
    for part in (logits[:, :4], logits[:, 4:]):
        sums.add(part.copy())
    assert sums.result() == pytest.approx([1 + np.log(6), np.nan, 1 + np.log(6)], nan_ok=True)


@njit
def _greatest(numbers: np.ndarray) -> Any:
    highest = np.int32(-(2**31))
    for x in numbers:
        highest = max(highest, rank32(x))
    return of_rank32(highest)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=50))
def test_the_greatest_by_rank(numbers: list[float]):
    assert _greatest(np.array(numbers, np.float32)) == max(numbers)


def test_the_exponential_function():
    @njit
    def of_all(x: np.ndarray, out: np.ndarray) -> None:
        for place in range(x.size):
            out[place] = exp32(x[place])

    x = np.concatenate([np.linspace(-60, 88, 100_001), [0.0, -0.0, 1e-42, -1e-42]]).astype(np.float32)
    found = np.empty_like(x)
    of_all(x, found)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(found / exact - 1).max() < 2.5e-7
    assert found[-4:].tolist() == [1.0] * 4
    low = np.empty(2, np.float32)
    of_all(np.array([-1e30, -np.inf], np.float32), low)
    assert (low == found[0]).all()  # that of -60: small, and no denormal number
