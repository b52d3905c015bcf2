"""The model behind generated data: what must add up, what must be distinct, what must follow from the seed."""

import math
import re

import numpy as np
import pytest

from recsys.data.sources.synthetic import apportion as _allot
from recsys.data.sources.synthetic import choices as _choices
from recsys.data.sources.synthetic import population as _population
from recsys.data.sources.synthetic import shape as _shape
from recsys.data.sources.synthetic import titles as _titles

SCALE, SEED = 0.004, 7


@pytest.fixture(scope="module")
def sizes():
    return _shape.sizes_at(SCALE)


@pytest.fixture(scope="module")
def population(sizes):
    return _population.make_population(sizes, SEED)


@pytest.fixture(scope="module")
def thresholds(population):
    return _choices.solve_thresholds(population)


@pytest.fixture(scope="module")
def chunks(population, thresholds):
    return [_choices.make_chunk(population, c, thresholds) for c in range(_choices.chunks_of(population.users))]


def everything(chunks, field):
    return np.concatenate([getattr(chunk, field) for chunk in chunks])


# --- counts


def test_scale_1_has_the_published_sizes():
    sizes = _shape.sizes_at(1)
    assert (sizes.users, sizes.movies, sizes.rated_movies, sizes.ratings) == (162_541, 62_423, 59_047, 25_000_095)
    assert np.cumsum(sizes.era_rated)[:3].tolist() == [2_821, 6_271, 10_691]
    assert np.cumsum(sizes.era_ratings)[:3].tolist() == [565_530, 1_288_730, 2_737_837]
    assert sizes.era_users[:3] == (77_048, 102_319, 136_921)
    assert sum(_shape.RATINGS_BY_VALUE) == sizes.ratings
    assert sum(_shape.MOVIES_BY_YEAR.values()) == sizes.movies - 2  # two titles of MovieLens in other forms


def test_movies_grow_with_the_square_root_of_scale():
    sizes = _shape.sizes_at(0.01)
    assert (sizes.users, sizes.movies, sizes.ratings) == (1_625, 6_242, 250_001)


def test_long_tails_at_scale_1_have_the_published_quartiles():
    sizes = _shape.sizes_at(1)
    users = _shape.ratings_per_user(sizes)
    assert users.sum() == sizes.ratings
    assert np.percentile(users, [0, 25, 50, 75, 100]) == pytest.approx([20, 36, 71, 162, 32_202], rel=0.05)
    movies = np.concatenate([_shape.ratings_per_movie(sizes, era) for era in range(4)])
    assert (len(movies), movies.sum()) == (sizes.rated_movies, sizes.ratings)
    assert np.percentile(movies, [0, 25, 50, 75, 100]) == pytest.approx([1, 2, 6, 36, 81_491], rel=0.05)


@pytest.mark.parametrize("scale", [0.0005, 0.002, 0.03, 0.3, 1.4])
def test_counts_add_up_at_any_scale(scale):
    sizes = _shape.sizes_at(scale)
    users = _shape.ratings_per_user(sizes)
    assert (len(users), users.sum(), users.min()) == (sizes.users, sizes.ratings, 20)
    assert users.max() < sizes.rated_movies
    for era in range(4):
        movies = _shape.ratings_per_movie(sizes, era)
        assert (len(movies), movies.sum(), movies.min()) == (sizes.era_rated[era], sizes.era_ratings[era], 1)
        assert movies.max() <= 0.6 * sizes.users
        assert len(_shape.years_of_era(sizes, era)) == sizes.era_movies[era]


def test_apportion_gives_the_largest_remainders_the_rest():
    assert _shape.apportion([5, 3, 2], 11).tolist() == [6, 3, 2]
    assert _shape.apportion([1, 1, 1], 2).sum() == 2


def test_spread_counts_refuses_what_cannot_fit():
    curve = np.arange(5.0)
    assert _shape.spread_counts(curve, 2, 10, 31).tolist()[::4] == [2, 10]
    assert _shape.spread_counts(curve, 2, 10, 31).sum() == 31
    with pytest.raises(ValueError, match="51 does not fit 5 counts of 2 to 10"):
        _shape.spread_counts(curve, 2, 10, 51)


# --- allotments


def test_era_quotas_add_up_both_ways_and_leave_some_users_without(sizes):
    activity = np.random.default_rng(1).permutation(_shape.ratings_per_user(sizes))
    quotas = _allot.era_quotas(sizes, activity, np.random.default_rng(2))
    assert (quotas >= 0).all()
    assert quotas.sum(axis=1).tolist() == activity.tolist()
    assert tuple(quotas.sum(axis=0)) == sizes.era_ratings
    with_any = (np.cumsum(quotas[:, :3], axis=1) > 0).sum(axis=0)
    assert with_any == pytest.approx(sizes.era_users[:3], rel=0.08)


def test_affinities_are_the_inner_products():
    p = np.array([[1, 2], [0, -1]], dtype=np.float32)
    q = np.array([[3, 1], [0, 5], [2, 2]], dtype=np.float32)
    assert _allot.affinities(p, q).tolist() == [[5, 10, 6], [-1, -5, -2]]


def test_rank_within_counts_earlier_equals():
    assert _allot.rank_within(np.array([7, 3, 7, 7, 3])).tolist() == [0, 0, 1, 2, 1]
    assert _allot.rank_within(np.zeros(0, dtype=np.int64)).tolist() == []


def test_forced_pairs_meet_the_counts_and_respect_quotas():
    rng = np.random.default_rng(3)
    counts = np.array([1, 2, 3, 4, 1, 2, 3])
    quota = np.array([30, 2, 3, 1, 4], dtype=np.int32)  # the first user has more to choose than the race's 28 movies
    p, q = rng.normal(size=(5, 2)).astype(np.float32), rng.normal(size=(7, 2)).astype(np.float32)
    users, movies = _allot.force_pairs(counts, quota, 28, p, q, rng)
    assert np.bincount(movies, minlength=7).tolist() == counts.tolist()
    assert (np.bincount(users, minlength=5) <= quota).all()
    assert np.bincount(users, minlength=5)[0] == 7  # 30 - 0.8 * 28 = 7.6 to begin with, then none
    assert len(set(zip(users.tolist(), movies.tolist(), strict=True))) == len(users)


def test_solved_weights_give_the_intended_counts():
    rng = np.random.default_rng(4)
    p, q = rng.normal(size=(300, 3)).astype(np.float32), rng.normal(size=(40, 3)).astype(np.float32)
    quota = rng.integers(1, 9, size=300).astype(np.int32)
    intended = np.sort(rng.pareto(1, 40)) + 0.2
    intended = np.minimum(intended / intended.sum() * quota.sum(), 200)
    intended *= quota.sum() / intended.sum()
    weights = _allot.solve_weights(intended, quota, p, q, rng)
    drawn = np.zeros(40)
    for _ in range(40):
        arrival = rng.standard_exponential((300, 40)) / np.exp(p @ q.T + weights)
        drawn += np.bincount(np.nonzero(arrival.argsort(axis=1).argsort(axis=1) < quota[:, None])[1], minlength=40)
    large = intended > 20
    assert large.sum() > 5
    assert drawn[large] / 40 == pytest.approx(intended[large], rel=0.12)


# --- choices and ratings


def test_a_chunk_is_a_function_of_the_seed_and_its_number(population, thresholds, chunks):
    again = _choices.make_chunk(_population.make_population(_shape.sizes_at(SCALE), SEED), 1, thresholds)
    for field in ("users", "movies", "levels", "timestamps"):
        assert getattr(again, field).tolist() == getattr(chunks[1], field).tolist()
    other = _choices.make_chunk(_population.make_population(_shape.sizes_at(SCALE), SEED + 1), 1, thresholds)
    assert other.movies[:50].tolist() != again.movies[:50].tolist()


def test_nobody_rates_a_movie_twice_and_everybody_rates_twenty(sizes, chunks):
    users, movies = everything(chunks, "users"), everything(chunks, "movies")
    assert len(users) == sizes.ratings
    assert (np.diff(users * np.int64(sizes.movies) + movies) > 0).all()  # in order, hence distinct
    per_user = np.bincount(users)
    assert (len(per_user), per_user.min()) == (sizes.users, 20)


def test_rated_movies_and_eras_are_as_intended(sizes, population, chunks):
    movies = everything(chunks, "movies")
    assert tuple(np.bincount(population.movie_era[np.unique(movies)])) == sizes.era_rated
    assert tuple(np.bincount(population.movie_era[movies])) == sizes.era_ratings
    old = population.movie_era < 3
    assert ((population.movie_years[old] >= 1950) & (population.movie_years[old] <= 1980)).all()
    assert not ((population.movie_years[~old] >= 1950) & (population.movie_years[~old] <= 1980)).any()


def test_ratings_by_value_are_those_of_movielens(chunks):
    shares = np.bincount(everything(chunks, "levels"), minlength=10) / sum(len(c.levels) for c in chunks)
    assert shares == pytest.approx(np.array(_shape.RATINGS_BY_VALUE) / _shape.RATINGS, rel=0.1)


def test_moments_are_those_of_the_distribution(thresholds):
    signals = np.array([-2.0, 0.3, 4.0], dtype=np.float32)
    means, variances = _choices.rating_moments(signals, thresholds)
    scale = math.sqrt(3) / math.pi
    for signal, mean, variance in zip(signals.tolist(), means, variances, strict=True):
        below = [0.0, *(1 / (1 + math.exp((signal - t) / scale)) for t in thresholds), 1.0]
        shares = np.diff(below)
        values = np.arange(1, 11) / 2
        assert mean == pytest.approx(shares @ values)
        assert variance == pytest.approx(shares @ (values - mean) ** 2)


def test_no_prediction_from_the_model_beats_the_best(chunks, thresholds):
    signals, ratings = everything(chunks, "signals"), (everything(chunks, "levels") + 1) / 2
    mean, variance = _choices.rating_moments(signals, thresholds)
    best = math.sqrt(variance.mean())
    assert math.sqrt(((ratings - mean) ** 2).mean()) == pytest.approx(best, rel=0.01)
    assert 0.65 < best < 0.72 * ratings.std()
    # A calibrated mean cannot be improved by shifting or stretching it.
    slope, intercept = np.polyfit(mean, ratings, 1)
    assert (slope, intercept) == pytest.approx((1, 0), abs=0.03)


def test_users_choose_by_taste_not_only_by_popularity(population, chunks):
    users, movies = everything(chunks, "users"), everything(chunks, "movies")
    affinity = (population.user_factors[users] * population.movie_factors[movies]).sum(axis=1)
    shuffled = np.random.default_rng(5).permutation(movies)  # as popular, chosen by somebody else
    by_chance = (population.user_factors[users] * population.movie_factors[shuffled]).sum(axis=1)
    assert affinity.mean() > by_chance.mean() + 0.7 * by_chance.std()


def test_a_user_s_timestamps_lie_in_movielens_years(chunks):
    seconds = everything(chunks, "timestamps")
    years = seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    assert (years.min(), years.max()) == (1995, 2019)


# --- titles


def year_of(title):
    """The rule of the project's readers, in one line each."""
    title = title.rstrip()
    match = re.search(r"\((\d{4})\)+$", title) or re.search(r"\((\d{4})[-\u2013] ?(?:\d{4})?\)$", title)
    return int(match[1]) if match else 0


def test_titles_tell_their_years_and_hold_every_trap():
    years = np.concatenate([np.zeros(12), np.arange(1900, 2020).repeat(10)]).astype(np.int32)
    forms = _titles.title_forms(years, np.random.default_rng(6))
    assert set(forms.tolist()) == set(range(9))
    titles = _titles.titles(years, forms, np.random.default_rng(7))
    assert [year_of(title) for title in titles] == years.tolist()
    endings = (r"\(\d{4}\) $", r"\(\d{4}\)\)$", r"\(\d{4}\u2013\d{4}\)$", r"\(\d{4}\u2013 \)$", r"\(\d{4}-\)$")
    for trap in (*endings, r'^".*" of ', r'".*,', r", The \(", r"[^\x00-\x7f\u2013]"):
        assert any(re.search(trap, title) for title in titles), trap
    assert sum("(" not in title for title in titles) >= 9  # without a year


def test_genres_are_one_to_five_or_none_listed(population):
    counts = np.array([bits.bit_count() for bits in population.movie_genres.tolist()])
    assert set(counts.tolist()) == {1, 2, 3, 4, 5}
    without = population.movie_genres >> _population.NO_GENRE & 1 == 1
    assert 0.03 < without.mean() < 0.2
    assert (counts[without] == 1).all()
