"""How many: users, movies and ratings of generated data, and how they spread over users, movies and years.

The figures are MovieLens 25M's (F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", 2015):
counts only, nothing of its rows. Where only quartiles and the maximum are known, the knots above the upper quartile
were chosen so that the mean comes out with an exponent near 1 (see `spread_counts`).

At another scale s users and ratings are s times as many, movies sqrt(s) times: catalogues grow
slower than audiences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

USERS, MOVIES, RATED_MOVIES, RATINGS = 162_541, 62_423, 59_047, 25_000_095
MIN_RATINGS_PER_USER = 20

# Ratings by value, 0.5 to 5 in half stars.
RATINGS_BY_VALUE = (
    393_068,
    776_815,
    399_490,
    1_640_868,
    1_262_797,
    4_896_928,
    3_177_318,
    6_639_798,
    2_200_539,
    3_612_474,
)


@dataclass(frozen=True)
class Era:
    """A span of years whose figures hold. Of `users`: those with a rating in this era or an earlier one of `ERAS`."""

    name: str
    first: int
    last: int
    movies: int
    rated_movies: int
    ratings: int
    most_rated: int
    users: int = USERS


# The paper's ranges 1950-1960, 1950-1970 and 1950-1980, as differences; the last era is every other year and none.
# `most_rated` of the three is an assumption of the right size.
ERAS = (
    Era("1950-1960", 1950, 1960, 3_249, 2_821, 565_530, 20_000, 77_048),
    Era("1961-1970", 1961, 1970, 3_808, 3_450, 723_200, 27_000, 102_319),
    Era("1971-1980", 1971, 1980, 4_937, 4_420, 1_449_107, 68_000, 136_921),
    Era("other", 0, 0, 50_429, 48_356, 22_262_258, 81_491),
)

# Movies by year of release; years before 1915 are together in 1910.
_FIRST_YEARS = {0: 410, 1910: 370}
_MOVIES_BY_YEAR = (  # from 1915
    28, 37, 26, 20, 30, 36, 48, 46, 30, 42, 52, 66, 62, 77, 117, 129, 173, 215, 218, 219, 227, 230, 235, 209, 214,
    223, 232, 257, 223, 212, 219, 217, 232, 245, 266, 279, 268, 287, 304, 285, 315, 294, 335, 309, 304, 269, 289, 289,
    317, 367, 362, 404, 388, 458, 443, 491, 534, 556, 515, 511, 448, 490, 469, 457, 487, 470, 462, 461, 459, 471, 513,
    513, 595, 628, 609, 538, 524, 563, 571, 645, 705, 703, 792, 803, 812, 929, 971, 1024, 1028, 1172, 1255, 1446, 1498,
    1632, 1724, 1691, 1838, 1978, 2173, 2406, 2513, 2488, 2374, 2034, 994,
)  # fmt: skip
MOVIES_BY_YEAR = {**_FIRST_YEARS, **{1915 + i: n for i, n in enumerate(_MOVIES_BY_YEAR)}}

# Knots of the two long tails: fraction of users (of rated movies) at or below, and the count there.
_FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)
_USER_KNOTS = (20, 35.9, 70.8, 162, 375, 585, 1_200, 2_650, 6_500, 32_202)
_MOVIE_KNOTS = (0.8, 1.85, 5.7, 36, 480, 1_950, 10_200, 38_000, 64_000, 81_491)


@dataclass(frozen=True)
class Sizes:
    """What is generated at one scale; the per-era tuples are in the order of `ERAS`."""

    scale: float
    users: int
    movies: int
    rated_movies: int
    ratings: int
    era_movies: tuple[int, ...]
    era_rated: tuple[int, ...]
    era_ratings: tuple[int, ...]
    era_users: tuple[int, ...]


def sizes_at(scale: float) -> Sizes:
    """Scale the counts: users and ratings by `scale`, movies by its square root, each era's parts summing exactly."""
    root = float(np.sqrt(scale))
    era_movies = apportion([e.movies for e in ERAS], round(MOVIES * root))
    era_rated = apportion([e.rated_movies for e in ERAS], round(RATED_MOVIES * root))
    era_ratings = apportion([e.ratings for e in ERAS], round(RATINGS * scale))
    return Sizes(
        scale=scale,
        users=round(USERS * scale),
        movies=int(era_movies.sum()),
        rated_movies=int(era_rated.sum()),
        ratings=int(era_ratings.sum()),
        era_movies=tuple(era_movies.tolist()),
        era_rated=tuple(era_rated.tolist()),
        era_ratings=tuple(era_ratings.tolist()),
        era_users=tuple(round(e.users * scale) for e in ERAS),
    )


def apportion(weights: object, total: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to `weights` that sum to `total` (largest remainders)."""
    w = np.asarray(weights, dtype=np.float64)
    exact = w * (total / w.sum())
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: total - int(whole.sum())]] += 1
    return whole


def _curve(knots: tuple[float, ...], n: int, of: int) -> NDArray[np.float64]:
    """Log counts of `n` things, ascending; `of` is how many had the last knot as their maximum."""
    # Piecewise Pareto: log count is linear in -log(fraction above) between the knots.
    middle = (np.arange(n) + 0.5) / n
    x = -np.log10(1 - np.asarray(_FRACTIONS[:-1]))
    x = np.append(x, np.log10(2.0 * of))
    return np.interp(-np.log10(1 - middle), x, np.log(knots))


def spread_counts(log_counts: NDArray[np.float64], low: int, high: int, total: int) -> NDArray[np.int64]:
    """Bend an ascending curve so that it runs from `low` to `high` and its whole numbers sum to `total`.

    With y the curve scaled to [0, 1], count = low * (high / low) ** (y ** g); g is found by bisection.
    """
    y = (log_counts - log_counts[0]) / (log_counts[-1] - log_counts[0])

    def bent(g: float) -> NDArray[np.int64]:
        return np.clip(np.rint(low * (high / low) ** (y**g)), low, high).astype(np.int64)

    g_low, g_high = 1e-3, 1e3
    for _ in range(45):
        g = float(np.sqrt(g_low * g_high))
        g_low, g_high = (g, g_high) if bent(g).sum() > total else (g_low, g)
    counts = bent(g_high)
    missing = total - int(counts.sum())
    while missing:  # what rounding left over: one each, from the larger counts down, the very largest kept
        step = 1 if missing > 0 else -1
        room = np.flatnonzero((counts < high) if step > 0 else (counts > low))[::-1]
        if not len(room):
            raise ValueError(f"{total} does not fit {len(counts)} counts of {low} to {high}")
        room = room[: abs(missing)]
        counts[room] += step
        missing -= step * len(room)
    return counts


def ratings_per_user(sizes: Sizes) -> NDArray[np.int64]:
    """Ascending int64 [users]: at least 20 each, at most 6 of 10 rated movies, `sizes.ratings` in all."""
    curve = _curve(tuple(map(float, _USER_KNOTS)), sizes.users, USERS)
    high = min(round(float(np.exp(curve[-1]))), int(0.6 * sizes.rated_movies))
    return spread_counts(curve, MIN_RATINGS_PER_USER, high, sizes.ratings)


def ratings_per_movie(sizes: Sizes, era: int) -> NDArray[np.int64]:
    """Ascending int64 [rated movies of the era]: at least 1 each, the era's ratings in all."""
    n = sizes.era_rated[era]
    curve = np.maximum(_curve(tuple(map(float, _MOVIE_KNOTS)), n, RATED_MOVIES), 0.0)
    high = max(2, round(ERAS[era].most_rated * sizes.scale))
    return spread_counts(curve, 1, high, sizes.era_ratings[era])


def years_of_era(sizes: Sizes, era: int) -> NDArray[np.int32]:
    """Ascending int32 [movies of the era]: years of release as they are spread in MovieLens 25M, 0 for none."""
    old = [(e.first, e.last) for e in ERAS[:-1]]
    if era < len(old):
        years = [y for y in MOVIES_BY_YEAR if old[era][0] <= y <= old[era][1]]
    else:
        years = [y for y in MOVIES_BY_YEAR if not any(a <= y <= b for a, b in old)]
    counts = apportion([MOVIES_BY_YEAR[y] for y in years], sizes.era_movies[era])
    return np.repeat(np.asarray(years, dtype=np.int32), counts)
