"""The ratings of generated data, a chunk of users at a time: which movies they rate, how, and when.

Plain functions of arrays, run on the executors. A chunk is a fixed range of users with a random stream of its own, so
that partitions and cores have no say in what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.sources.synthetic.apportion import Floats, Ints
from recsys.data.sources.synthetic.population import TASTE, Population, choice_scores, generator
from recsys.data.sources.synthetic.shape import RATINGS_BY_VALUE

CHUNK_USERS = 256
LEVELS = len(RATINGS_BY_VALUE)
_NOISE = float(np.sqrt(3) / np.pi)  # scale of a logistic variable with standard deviation 1
_FIRST_SECOND, _LAST_SECOND = 789_652_009, 1_574_327_703  # 1995-01-09 to 2019-11-21, as in MovieLens 25M


@dataclass(frozen=True)
class Chunk:
    """Ratings of some users, ordered by user and movie; n of each."""

    users: Ints  # [n], positions from 0
    movies: Ints  # [n], positions from 0
    signals: Floats  # [n], z without noise
    levels: Ints  # [n], 0 to LEVELS - 1: the rating is (level + 1) / 2
    timestamps: NDArray[np.int64]  # [n], seconds since 1970


def chunks_of(users: int) -> int:
    return -(-users // CHUNK_USERS)


def make_chunk(population: Population, chunk: int, thresholds: NDArray[np.float64]) -> Chunk:
    """All ratings of the users of one chunk."""
    rng = generator(population.seed, 5, chunk)
    first = chunk * CHUNK_USERS
    users, movies = choose(population, first, min(first + CHUNK_USERS, population.users), rng)
    signals = signal(population, users, movies)
    uniform = rng.random(len(users))
    latent = signals + _NOISE * np.log(uniform / (1 - uniform))
    levels = np.searchsorted(thresholds, latent).astype(np.int32)
    return Chunk(users, movies, signals, levels, _timestamps(users - first, rng))


def choose(population: Population, first: int, last: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """(user, movie) positions of every rating of users first..last-1, by user and then by movie."""
    local = np.arange(first, last)
    starts = population.forced_starts[first : last + 1]
    forced_users = np.repeat(local, np.diff(starts))
    forced_movies = population.forced_movies[starts[0] : starts[-1]]

    # Arrival times in the race: exponential variables divided by their rates.
    arrival = rng.standard_exponential((len(local), len(population.race)), dtype=np.float32)
    arrival *= np.exp(-choice_scores(population, first, last))
    column = np.full(population.movies, -1)
    column[population.race] = np.arange(len(population.race))
    taken = column[forced_movies]
    arrival[forced_users[taken >= 0] - first, taken[taken >= 0]] = np.inf

    users, movies = [forced_users], [forced_movies]
    for era in range(population.quotas.shape[1]):
        start, stop = population.race_starts[era : era + 2]
        for row, user in enumerate(local):
            quota = int(population.quotas[user, era])
            if quota:
                arrived = arrival[row, start:stop].argpartition(quota - 1)[:quota]
                users.append(np.full(quota, user))
                movies.append(population.race[start + arrived])
    all_users, all_movies = np.concatenate(users), np.concatenate(movies)
    order = np.argsort(all_users * np.int64(population.movies) + all_movies)
    return all_users[order].astype(np.int32), all_movies[order].astype(np.int32)


def signal(population: Population, users: Ints, movies: Ints) -> Floats:
    """z without noise of each (user, movie) pair, float32 [n]."""
    affinity = np.einsum("nf,nf->n", population.user_factors[users], population.movie_factors[movies])
    z = population.user_bias[users] + population.movie_bias[movies] + np.float32(TASTE) * affinity
    return np.asarray(z, dtype=np.float32)


def exceedance(signals: Floats, threshold: float) -> NDArray[np.float64]:
    """P(z > threshold) given the signal."""
    return 1 / (1 + np.exp((threshold - signals.astype(np.float64)) / _NOISE))


def rating_moments(signals: Floats, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of the rating given the signal, float64 [n] each.

    With S_k = P(level >= k): E[r] = (1 + sum S_k) / 2 and E[r^2] = (1 + sum (2k + 1) S_k) / 4, k = 1..9.
    """
    mean, square = np.ones(len(signals)), np.ones(len(signals))
    for k, threshold in enumerate(thresholds, start=1):
        above = exceedance(signals, float(threshold))
        mean += above
        square += (2 * k + 1) * above
    return mean / 2, square / 4 - (mean / 2) ** 2


def solve_thresholds(population: Population, sample_chunks: int = 40) -> NDArray[np.float64]:
    """float64 [9]: thresholds with which the ratings by value are expected as in MovieLens 25M, over some chunks."""
    signals = []
    chunks = chunks_of(population.users)
    for chunk in np.unique(np.linspace(0, chunks - 1, min(chunks, sample_chunks)).astype(int)).tolist():
        first = chunk * CHUNK_USERS
        last = min(first + CHUNK_USERS, population.users)
        # The very stream of the chunk, so that the sample is of ratings that will be there.
        signals.append(signal(population, *choose(population, first, last, generator(population.seed, 5, chunk))))
    every = np.concatenate(signals)
    weight, edges = np.histogram(every, bins=2000)
    grid = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    fraction_above = 1 - np.cumsum(RATINGS_BY_VALUE)[:-1] / sum(RATINGS_BY_VALUE)
    low, high = np.full(LEVELS - 1, -20.0), np.full(LEVELS - 1, 20.0)
    for _ in range(50):
        middle = (low + high) / 2
        above = np.array([(weight * exceedance(grid, t)).sum() for t in middle.tolist()]) / len(every)
        low, high = np.where(above > fraction_above, middle, low), np.where(above > fraction_above, high, middle)
    return (low + high) / 2


def _timestamps(rows: Ints, rng: np.random.Generator) -> NDArray[np.int64]:
    """int64 [n]: each user rates within some sittings, half a minute a rating, somewhere from 1995 to 2019.

    `rows` are the users' positions in the chunk, ascending. No year of release is heeded.
    """
    counts = np.bincount(rows)
    span = np.minimum(30 * counts * np.exp(1.5 * np.abs(rng.standard_normal(len(counts)))), 2e8)
    start = _FIRST_SECOND + rng.random(len(counts)) * (_LAST_SECOND - _FIRST_SECOND - span)
    return np.asarray(start[rows] + rng.random(len(rows)) * span[rows], dtype=np.int64)
