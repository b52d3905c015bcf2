"""Who and what: the users and movies of generated data, in one latent-factor model.

All of it is made on the driver (a few seconds, 20 MB at scale 1) and broadcast; the ratings themselves are made on the
executors from it (`_choices.py`). The model, for user u and movie j with taste vectors p_u and q_j:

    a_uj = <p_u, q_j>                                  affinity, standard deviation near 1
    u's movies: the first n_ue arrivals within each era e, movie j arriving at rate w_j exp(AFFINITY a_uj)
    z_uj = b_u + b_j + TASTE a_uj + logistic noise     the rating is the number of thresholds that z exceeds

n_ue, how many movies of each era a user rates, is drawn first, with a heterogeneous taste for old movies, so that the
figures by range of years hold; w_j is solved for, so that each movie's expected number of ratings is the intended one.
Where there are more than RACE_MOVIES rated movies, those with the fewest ratings get their users here instead: that
keeps the executors' cost down and the lower quartiles exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.sources.synthetic import shape as _shape
from recsys.data.sources.synthetic.apportion import Floats, Ints, affinities, era_quotas, force_pairs, solve_weights
from recsys.data.sources.synthetic.shape import ERAS, Sizes

FACTORS = 8
_STRENGTHS = np.arange(1, FACTORS + 1) ** -0.4  # some tastes matter more than others
_STRENGTHS /= np.sqrt((_STRENGTHS**2).sum())
AFFINITY = 2.1  # taste in choices
TASTE = 1.1  # taste in ratings
USER_SPREAD, MOVIE_SPREAD = 0.4, 0.45  # standard deviations of b_u and of the part of b_j that popularity leaves open
ACCLAIM = 0.15  # how much better liked a movie is whose log count of ratings is a standard deviation higher
RACE_MOVIES = 13_000
FORCED_BELOW = 20  # movies meant for so few ratings get one of them here, so that none ends without

_GENRES = {  # movies by genre in MovieLens 25M
    "Drama": 25_606, "Comedy": 16_870, "Thriller": 8_654, "Romance": 7_719, "Action": 7_348, "Horror": 5_989,
    "Documentary": 5_605, "Crime": 5_319, "(no genres listed)": 5_062, "Adventure": 4_145, "Sci-Fi": 3_595,
    "Children": 2_935, "Animation": 2_929, "Mystery": 2_925, "Fantasy": 2_731, "War": 1_874, "Western": 1_399,
    "Musical": 1_054, "Film-Noir": 353, "IMAX": 195,
}  # fmt: skip
GENRES = tuple(_GENRES)
NO_GENRE = GENRES.index("(no genres listed)")
_GENRES_PER_MOVIE = (30_631, 18_326, 9_852, 2_784, 680)  # 1 to 5

# Mean ratings per movie by decade of release, relative to each other (an assumption of the right size): which of the
# movies outside of the three old eras are the popular ones.
_DECADE_WEIGHT = {0: 5, 1910: 30, 1920: 60, 1930: 80, 1940: 110, 1980: 660, 1990: 1_450, 2000: 510, 2010: 160}


@dataclass(frozen=True)
class Population:
    """Everything the executors need. U users, M movies in order of their ids, R of them in the race."""

    seed: int
    user_factors: Floats  # [U, FACTORS]
    user_bias: Floats  # [U]
    quotas: Ints  # [U, eras], movies still to choose on the executors
    forced_starts: NDArray[np.int64]  # [U + 1], slices of forced_movies
    forced_movies: Ints  # positions of movies already given to each user
    movie_ids: Ints  # [M], ascending
    movie_factors: Floats  # [M, FACTORS]
    movie_bias: Floats  # [M]
    movie_era: NDArray[np.int8]  # [M]
    movie_years: Ints  # [M], 0 for none
    movie_genres: Ints  # [M], a bit for each of GENRES
    race: Ints  # [R], positions of the movies in the race, era by era
    race_starts: NDArray[np.int64]  # [eras + 1], slices of race
    race_log_weights: Floats  # [R]

    @property
    def users(self) -> int:
        return len(self.user_bias)

    @property
    def movies(self) -> int:
        return len(self.movie_ids)


def generator(seed: int, *purpose: int) -> np.random.Generator:
    """An independent random stream for each purpose.

    0 movies, 1 users, 2 quotas, 3 forced pairs, 4 weights, 5 a chunk's ratings, 6 forms of titles, 7 a chunk's titles.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, *purpose]))


def make_population(sizes: Sizes, seed: int) -> Population:
    """Draw the model at the given sizes; the same seed and sizes give the same population."""
    movies, counts = _make_movies(sizes, generator(seed, 0))
    rng = generator(seed, 1)
    user_factors = rng.standard_normal((sizes.users, FACTORS), dtype=np.float32)
    user_bias = USER_SPREAD * rng.standard_normal(sizes.users, dtype=np.float32)
    activity = rng.permutation(_shape.ratings_per_user(sizes))
    quotas = era_quotas(sizes, activity, generator(seed, 2))

    threshold = np.sort(counts)[-RACE_MOVIES] if sizes.rated_movies > RACE_MOVIES else 0
    racing = counts > threshold
    forced = np.where(racing, np.minimum(counts, 1) * (counts <= FORCED_BELOW), counts)
    era_of, q, p = movies["movie_era"], movies["movie_factors"], np.float32(AFFINITY) * user_factors

    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    race: list[NDArray[np.int64]] = []
    log_weights: list[Floats] = []
    for era in range(len(ERAS)):
        rare = np.flatnonzero((era_of == era) & (forced > 0))
        runners = np.flatnonzero((era_of == era) & racing)
        u, j = force_pairs(forced[rare], quotas[:, era], len(runners), p, q[rare], generator(seed, 3, era))
        j = rare[j]
        quotas[:, era] -= np.bincount(u, minlength=sizes.users).astype(np.int32)
        still = counts - np.bincount(j, minlength=sizes.movies)
        log_weights.append(solve_weights(still[runners], quotas[:, era], p, q[runners], generator(seed, 4, era)))
        pairs.append((u, j))
        race.append(runners)
    pair_user, pair_movie = (np.concatenate(side) for side in zip(*pairs, strict=True))
    order = np.argsort(pair_user, kind="stable")
    return Population(
        seed=seed,
        user_factors=user_factors,
        user_bias=user_bias,
        quotas=quotas,
        forced_starts=np.concatenate([[0], np.cumsum(np.bincount(pair_user, minlength=sizes.users))]),
        forced_movies=pair_movie[order].astype(np.int32),
        race=np.concatenate(race).astype(np.int32),
        race_starts=np.cumsum([0, *map(len, race)]),
        race_log_weights=np.concatenate(log_weights),
        **movies,
    )


def _make_movies(sizes: Sizes, rng: np.random.Generator) -> tuple[dict[str, NDArray], NDArray[np.int64]]:
    """The movies' fields of Population, and int64 [M]: ratings intended for each movie."""
    years, eras, counts = [], [], []
    for era in range(len(ERAS)):
        year = rng.permutation(_shape.years_of_era(sizes, era))
        rated = _shape.ratings_per_movie(sizes, era)
        count = np.zeros(len(year), dtype=np.int64)
        chosen = rng.permutation(len(year))[: len(rated)]
        # Within the old eras all years are alike.
        other = era == len(ERAS) - 1
        weight = np.array([_DECADE_WEIGHT[y // 10 * 10] if other else 1 for y in year[chosen].tolist()])
        # The 2.5 is about the spread of log counts, so that decades differ in mean and overlap widely.
        appeal = np.log(weight) + 2.5 * rng.standard_normal(len(rated))
        count[chosen[np.argsort(appeal)]] = rated
        years.append(year)
        eras.append(np.full(len(year), era, dtype=np.int8))
        counts.append(count)
    order = rng.permutation(sizes.movies)
    counts_by_movie = np.concatenate(counts)[order]

    # MovieLens ids: dense at first, later with gaps, up to 3.4 times the number of movies.
    gaps = 1 + np.where(np.arange(sizes.movies) < 0.1 * sizes.movies, 0, rng.poisson(2.6, sizes.movies))
    genres, factors = _taste(sizes.movies, rng)
    log_count = np.log1p(counts_by_movie)
    acclaim = ACCLAIM * (log_count - log_count.mean()) / log_count.std()
    bias = acclaim + MOVIE_SPREAD * rng.standard_normal(sizes.movies)
    movies = {
        "movie_ids": np.cumsum(gaps).astype(np.int32),
        "movie_factors": factors,
        "movie_bias": bias.astype(np.float32),
        "movie_era": np.concatenate(eras)[order],
        "movie_years": np.concatenate(years)[order],
        "movie_genres": genres,
    }
    return movies, counts_by_movie


def _taste(movies: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Genres as bits, int32 [movies], and taste vectors, float32 [movies, FACTORS], of movies with such genres."""
    weights = np.array(list(_GENRES.values()), dtype=np.float64)
    wanted = rng.choice(np.arange(1, 6), size=movies, p=np.array(_GENRES_PER_MOVIE) / sum(_GENRES_PER_MOVIE))
    # The first `wanted` of an exponential race are a draw without replacement in proportion to the weights.
    arrival = rng.standard_exponential((movies, len(GENRES))) / weights
    rank = arrival.argsort(axis=1).argsort(axis=1)
    has = rank < wanted[:, None]
    has[has[:, NO_GENRE]] = np.arange(len(GENRES)) == NO_GENRE
    centres = rng.standard_normal((len(GENRES), FACTORS))
    centres[NO_GENRE] = 0.0
    mixed = np.einsum("mg,gf->mf", has.astype(np.float64), centres) / np.sqrt(has.sum(axis=1, keepdims=True))
    factors = _STRENGTHS * (0.7 * mixed + 0.7 * rng.standard_normal((movies, FACTORS)))
    bits = has.astype(np.int64) @ (1 << np.arange(len(GENRES)))
    return bits.astype(np.int32), factors.astype(np.float32)


def choice_scores(population: Population, first: int, last: int) -> Floats:
    """Log rates of the race for users first..last-1, float32 [users, R]."""
    q = np.float32(AFFINITY) * population.movie_factors[population.race]
    scores = affinities(population.user_factors[first:last], q)
    scores += population.race_log_weights
    return scores
