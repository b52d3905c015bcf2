"""Who rates how many of what: the allotments of generated data that must add up, before any single choice is made.

Plain functions of arrays, run on the driver. `p` [users, factors] and `q` [movies, factors] are taste vectors, scaled
so that <p_u, q_j> is the log of how much likelier u is to choose j than someone without preferences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.sources.synthetic.shape import ERAS, Sizes

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


def affinities(p: Floats, q: Floats) -> Floats:
    """<p_u, q_j> of all pairs, float32 [users, movies].

    Not a matrix product, as BLAS may sum in another order on another number of cores: who comes first in a race would
    then, once in a million times, depend on the machine.
    """
    result = np.multiply.outer(p[:, 0], q[:, 0])
    term = np.empty_like(result)
    for factor in range(1, p.shape[1]):
        result += np.multiply(p[:, factor, None], q[None, :, factor], out=term)
    return np.asarray(result, dtype=np.float32)


def era_quotas(sizes: Sizes, activity: NDArray[np.int64], rng: np.random.Generator) -> Ints:
    """int32 [users, eras]: how many movies of each era a user rates.

    Rows sum to `activity`, columns to the eras' ratings.

    A user's expected count of an era is in proportion to activity times exp(s_e x_u), x_u normal and correlated between
    the eras; the spread s_e is solved for, so that the intended number of users rates the era or an earlier one.
    """
    users = sizes.users
    old = len(ERAS) - 1
    love_of_old = rng.standard_normal(users)
    expected = np.zeros((users, old))
    for era in range(old):
        x = 0.8 * love_of_old + 0.6 * rng.standard_normal(users)
        cap = np.minimum(0.6 * activity / old + 1, 0.6 * sizes.era_rated[era])

        def mean_counts(spread: float, x: NDArray = x, cap: NDArray = cap, era: int = era) -> NDArray[np.float64]:
            mean = activity * np.exp(spread * x)
            for _ in range(8):  # what the cap cuts off goes to the others
                mean = np.minimum(mean * (sizes.era_ratings[era] / mean.sum()), cap)
            return mean

        low, high = 0.0, 4.0
        for _ in range(30):
            spread = (low + high) / 2
            with_any = (1 - np.exp(-(expected[:, :era].sum(axis=1) + mean_counts(spread)))).sum()
            low, high = (spread, high) if with_any > sizes.era_users[era] else (low, spread)
        expected[:, era] = mean_counts(low)

    quotas = np.zeros((users, len(ERAS)), dtype=np.int64)
    for era in range(old):
        room = np.minimum((0.9 * (activity - quotas.sum(axis=1))).astype(np.int64), int(0.85 * sizes.era_rated[era]))
        drawn = np.minimum(rng.poisson(expected[:, era]), room)
        quotas[:, era] = _adjust(drawn, room, sizes.era_ratings[era], rng)
    quotas[:, old] = activity - quotas.sum(axis=1)
    return quotas.astype(np.int32)


def _adjust(
    drawn: NDArray[np.int64], room: NDArray[np.int64], total: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Move `drawn` to sum to `total` by ones, at users who have two or more (so that who has any stays the same)."""
    drawn = drawn.copy()
    while missing := total - int(drawn.sum()):
        step = 1 if missing > 0 else -1
        at = np.flatnonzero((drawn >= 1) & (drawn < room) if step > 0 else drawn >= 2)
        at = rng.permutation(at)[: abs(missing)]
        drawn[at] += step
    return drawn


def force_pairs(
    counts: NDArray[np.int64], quota: Ints, race_size: int, p: Floats, q: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give movies exactly counts[j] users each: (user, movie) pairs, each pair once, no user above quota.

    Busy users are likelier to get rare movies, and of six candidates the one wins whose taste fits.
    Users whose quota is more than the race can fill get the rest first.
    """
    left = counts.copy()
    room = quota.astype(np.int64)
    users: list[NDArray[np.int64]] = []
    movies: list[NDArray[np.int64]] = []
    for u in np.flatnonzero(quota > 0.85 * race_size):
        need = int(quota[u] - 0.8 * race_size)
        arrival = rng.standard_exponential(len(left)) / np.maximum(left, 1e-9)
        chosen = np.argsort(arrival)[: min(need, int((left > 0).sum()))]
        left[chosen] -= 1
        room[u] = 0  # what remains is for the race
        users.append(np.full(len(chosen), u))
        movies.append(chosen)

    weight = np.cumsum(np.where(room > 0, quota.astype(np.float64) ** 1.4, 0.0))
    todo = rng.permutation(np.repeat(np.arange(len(left)), left))
    seen = np.zeros(0, dtype=np.int64)
    for _ in range(200):
        if not len(todo):
            break
        candidates = np.searchsorted(weight, rng.random((len(todo), 6)) * weight[-1], side="right")
        fit = np.einsum("ncf,nf->nc", p[candidates], q[todo]) + rng.gumbel(size=candidates.shape)
        winner = candidates[np.arange(len(todo)), fit.argmax(axis=1)]
        key = winner * np.int64(len(left)) + todo
        _, first = np.unique(key, return_index=True)
        fresh = np.zeros(len(todo), dtype=bool)
        fresh[first] = True
        fresh &= ~np.isin(key, seen)
        fresh &= rank_within(winner) < room[winner]
        np.subtract.at(room, winner[fresh], 1)
        users.append(winner[fresh])
        movies.append(todo[fresh])
        seen = np.concatenate([seen, key[fresh]])
        todo = todo[~fresh]
    return np.concatenate([*users, np.zeros(0, np.int64)]), np.concatenate([*movies, np.zeros(0, np.int64)])


def rank_within(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The how-manieth occurrence of its value each entry is, from 0: [7, 3, 7] gives [0, 0, 1]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(values) else np.zeros(0, np.int64)
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    return rank


def solve_weights(counts: NDArray[np.int64], quota: Ints, p: Floats, q: Floats, rng: np.random.Generator) -> Floats:
    """Log weights, float32 [movies], with which a race of all users is expected to give each movie counts[j] ratings.

    A user who stops the race at time t has movie j with probability 1 - exp(-t w_j exp(<p_u, q_j>)). Both t, so that
    these sum to the user's quota, and w are found by Newton steps, over a sample of users in proportion to quota.
    """
    total = float(quota.sum())
    if not total or not len(counts):
        return np.zeros(len(counts), dtype=np.float32)
    sample = int(np.clip(len(quota), 256, 1536))
    target = np.maximum(counts, 0.1) * (total / np.maximum(counts, 0.1).sum())
    by_quota = np.argsort(quota, kind="stable")
    position = (np.arange(sample) + rng.random()) / sample * total
    chosen = by_quota[np.minimum(np.searchsorted(np.cumsum(quota[by_quota]), position, side="right"), len(quota) - 1)]
    need = np.minimum(quota[chosen], 0.9 * len(counts)).astype(np.float32)[:, None]
    stands_for = (total / sample / quota[chosen]).astype(np.float32)[:, None]
    log_fit = affinities(p[chosen], q)
    log_w = np.log(target / total).astype(np.float32)[None, :]
    log_t = np.log(need) - np.log(np.exp(log_fit + log_w).sum(axis=1, keepdims=True))
    for _ in range(20):
        rate = np.exp(log_fit + log_w + log_t)
        misses = np.exp(-rate)
        slope = np.maximum((rate * misses).sum(axis=1, keepdims=True), 1e-6)
        log_t += np.clip((need - (1 - misses).sum(axis=1, keepdims=True)) / slope, -1, 1)
        rate = np.exp(log_fit + log_w + log_t)
        misses = np.exp(-rate)
        slope = np.maximum((stands_for * rate * misses).sum(axis=0), 1e-6)
        step = np.clip((target - (stands_for * (1 - misses)).sum(axis=0)) / slope, -1, 1)
        log_w += step.astype(np.float32)
        if np.abs(step).max() < 2e-3:
            break
    return np.asarray(log_w[0], dtype=np.float32)
