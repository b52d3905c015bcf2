"""Movies' arrays over users: made from users' blocks by Spark, and a model of them judged on users."""

import csv
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from preparing import run_prepare
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix
from small_ratings import RATINGS

from recsys.config.load import build_config
from recsys.data.blocks import block_from_row
from recsys.data.examples import Examples
from recsys.data.orientation import columns_of_users, rating_arrays, transpose
from recsys.data.partition import partition
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.evaluation.evaluate import evaluate, judge_factors
from recsys.evaluation.factors import find_factors
from recsys.evaluation.fold_in import NOISES, fit_factors
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.fold_in import FoldIn
from recsys.recommend.saved import load_recommender, save_fold_in, save_items

IDS: dict[str, list] = {"numbers": [11, 12, 15, 3, 40], "names": ["zoe", "ann", "Bob", "eve", "al"]}
ROLES = (TRAIN, VALIDATION, TEST)


def write(path, dense, users):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["userId", "movieId", "rating"])
        for user, row in zip(users, dense, strict=True):
            rows.writerows([user, 100 + movie, rating] for movie, rating in enumerate(row) if rating)
    return str(path)


def collected(frame):
    return [block_from_row(row) for row in frame.collect()]


@pytest.mark.parametrize("kind", list(IDS))
def test_users_blocks_become_movies_blocks(spark, tmp_path, kind):
    prepared = run_prepare(spark, ratings=write(tmp_path / "r.csv", RATINGS, IDS[kind]), block_users=1)
    rated = [0, 1, 2, 3, 5, 6]  # nobody rated movie 4, which has no index
    assert prepared.items["movie_id"].tolist() == [100 + movie for movie in rated]
    order = sorted(range(5), key=lambda place: IDS[kind][place])
    users, hashes = columns_of_users(prepared.blocks)
    assert users.tolist() == sorted(IDS[kind])
    assert len(set(hashes.tolist())) == 5

    counts = prepared.items["popularity"].to_numpy()
    assert prepared.blocks.rdd.getNumPartitions() > 1
    blocks = collected(transpose(prepared.blocks, users, counts, 2))
    assert max(block.rows for block in blocks) == 2
    assert np.concatenate([block.users for block in blocks]).tolist() == list(range(6))
    whole = np.concatenate([block.matrix(5).toarray() for block in blocks])
    np.testing.assert_array_equal(whole, RATINGS[order][:, rated].T)
    assert all((np.diff(block.indices[a:b]) > 0).all() for block in blocks for a, b in pairwise(block.indptr))

    # the same whatever the order of users and blocks
    mixed = prepared.blocks.orderBy(F.rand(3)).repartition(prepared.blocks.rdd.getNumPartitions())
    for one, other in zip(collected(transpose(mixed, users, counts, 2)), blocks, strict=True):
        for part, expected in zip(vars(one).values(), vars(other).values(), strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.fixture(scope="module")
def dense():
    rng = np.random.default_rng(5)
    ratings = np.where(rng.random((60, 23)) < 0.5, rng.integers(1, 11, (60, 23)) / 2, 0).astype(np.float32)
    ratings[:, 22] = 0
    ratings[7, 22] = 4.5  # one user alone rated the last movie
    return ratings


@pytest.fixture(scope="module")
def settings(dense, tmp_path_factory):
    data = {
        "ratings": write(tmp_path_factory.mktemp("movies") / "r.csv", dense, range(1, 61)), "orientation": "movie",
        "split": "rating", "test_fraction": 0.25, "validation_fraction": 0.2, "block_users": 9,
    }  # fmt: skip
    model = {"hidden": [6], "activation": "sigmoid", "loss": "masked_mse", "input_normalisation": "center"}
    return build_config({"seed": 3, "data": data, "model": model, "evaluation": {"recall_at": [3], "ndcg_at": 5}})


@pytest.fixture(scope="module")
def prepared(spark, settings):
    return run_prepare(spark, **settings.data.model_dump(exclude_none=True, exclude={"columns"}))


def untrained(config):
    """A model of the arrays of 60 users."""
    weights = DenoisingAutoencoder.architecture.build(60, config, 2).get_weights()
    return DenoisingAutoencoder(config, Preprocessing(0.5, 5.0), 60, weights)


def fold_in(factors, noise, preprocessing, ratings):
    """Scores of raw ratings (dense) by those factors."""
    return FoldIn.of(replace(factors, noise=noise), preprocessing).score(csr_matrix(ratings))


def entries_by_role(blocks, examples):
    """role -> {(row id, column, rating)} of what the role is held against."""
    found: dict[int, set] = {role: set() for role in ROLES}
    for block in blocks:
        for role in ROLES:
            target = examples.arrays(block, role)[1].tocoo()
            found[role] |= set(
                zip(block.users[target.row].tolist(), target.col.tolist(), target.data.tolist(), strict=True)
            )
    return found


def test_the_parts_hold_the_same_ratings_in_both_orientations(prepared, settings, dense):
    by_user = Examples.of(settings, prepared.movies, Preprocessing(0.5, 5.0))
    arrays = rating_arrays(prepared, settings.data, by_user)
    assert arrays.users is not None
    assert (arrays.examples.width, by_user.width) == (60, 23)
    of_users = entries_by_role(collected(prepared.blocks), by_user)
    turned: dict[int, set] = {role: set() for role in ROLES}
    for role in ROLES:
        part = partition(arrays.blocks, arrays.examples, role, 2, 4)
        blocks = part.blocks.collect()
        assert (part.rows, sum(block.rows for block in blocks)) == (23, 23)
        for movie, column, rating in entries_by_role(blocks, arrays.examples)[role]:
            turned[role].add((int(arrays.users[column]), movie, rating))
    assert turned == of_users
    assert sum(map(len, turned.values())) == np.count_nonzero(dense)
    assert min(map(len, turned.values())) > 20


def test_users_arrays_are_the_prepared_ones(prepared, settings):
    data = settings.data.model_copy(update={"orientation": "user"})
    by_user = Examples.of(settings, prepared.movies, Preprocessing(0.5, 5.0))
    arrays = rating_arrays(prepared, data, by_user)
    assert (arrays.blocks, arrays.examples, arrays.users) == (prepared.blocks, by_user, None)


def test_a_model_of_movies_arrays_is_judged_on_users_from_end_to_end(spark, prepared, settings, dense, tmp_path):
    """Every figure beside one from the dense arrays and the Keras model itself."""
    preprocessing = Preprocessing(0.5, 5.0)
    by_user = Examples.of(settings, prepared.movies, preprocessing)
    arrays = rating_arrays(prepared, settings.data, by_user)
    parts = {role: partition(arrays.blocks, arrays.examples, role, 2, 4) for role in ROLES}
    family = untrained(settings.model)
    model = family.keras_model()
    shared = spark.sparkContext.broadcast(family.scorer())
    factors = fit_factors(shared, parts, arrays.examples, prepared.blocks, by_user)
    assert arrays.users is not None
    judged = judge_factors(factors, arrays.users, prepared.blocks, by_user)
    metrics = evaluate(parts, shared, arrays.examples, settings, judged)

    split = {role: np.zeros((60, 23), np.float32) for role in ROLES}
    for role, found in entries_by_role(collected(prepared.blocks), by_user).items():
        for user, movie, rating in found:
            split[role][user - 1, movie] = rating
    known, test = split[TRAIN] + split[VALIDATION], split[TEST]
    np.testing.assert_array_equal(known + test, dense)
    outputs = model(known.T / 5).numpy().T
    unknown = ~known.any(axis=0)
    outputs[:, unknown] += (known.sum() / np.count_nonzero(known)) / 5  # the mean of all instead of 0
    np.testing.assert_allclose(factors.scores(np.arange(60)), outputs, rtol=1e-4, atol=1e-5)

    # the noise was asked of the validation ratings, of codes and fits that know the training ratings alone
    trained = find_factors(shared, parts[VALIDATION], arrays.examples, 23, VALIDATION)
    asked = split[VALIDATION] > 0
    errors = [
        np.square(fold_in(trained, noise, preprocessing, split[TRAIN]) - split[VALIDATION] / 5)[asked].sum()
        for noise in NOISES
    ]
    assert factors.noise == NOISES[int(np.argmin(errors))]

    rated = test > 0
    error = np.clip(outputs * 5, 0.5, 5)[rated] - test[rated]
    predicted = metrics["rating_prediction"]
    assert predicted["ratings"] == np.count_nonzero(test)
    assert predicted["model"]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    assert predicted["model"]["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-4)
    mean = split[TRAIN].sum() / np.count_nonzero(split[TRAIN])
    global_error = np.sqrt(np.mean((mean - test[rated]) ** 2))
    assert predicted["global_mean"]["rmse"] == pytest.approx(global_error, rel=1e-4)

    reconstruction = metrics["reconstruction"]
    raw = model(known.T / 5).numpy().T
    assert (reconstruction["train_movies"], reconstruction["test_movies"]) == (23, 23)
    assert reconstruction["test"] == pytest.approx(np.mean((raw - test / 5)[rated] ** 2), rel=1e-4)

    hits = []
    for user in range(60):
        best = np.argsort(-np.where(known[user] > 0, -np.inf, outputs[user]), kind="stable")[:3]
        if rated[user].any():
            hits.append(rated[user][best].sum() / min(3, rated[user].sum()))
    ranking = metrics["ranking"]
    assert (ranking["users"], ranking["test_users"]) == (len(hits), 60)
    assert ranking["model"]["recall@3"]["mean"] == pytest.approx(np.mean(hits), abs=1e-6)

    save_items(tmp_path, prepared.items, preprocessing, "masked_mse", "movie")
    save_fold_in(tmp_path, family, FoldIn.of(factors, preprocessing))
    again = load_recommender(tmp_path).predict(csr_matrix(known))
    folded = np.sqrt(np.mean((again[rated] - test[rated]) ** 2))
    assert predicted["fold_in"]["rmse"] == pytest.approx(folded, rel=1e-4)


def test_what_the_model_adds_to_its_output_is_part_of_the_scores(spark, prepared, settings, dense):
    chosen = settings.model.model_copy(update={"input_normalisation": "offset", "input_scale": 4.0})
    by_user = Examples.of(settings, prepared.movies, Preprocessing(0.5, 5.0))
    arrays = rating_arrays(prepared, settings.data, by_user)
    part = partition(arrays.blocks, arrays.examples, TEST, 2, 4)
    family = untrained(chosen)
    model = family.keras_model()
    factors = find_factors(spark.sparkContext.broadcast(family.scorer()), part, arrays.examples, 23)
    known = dense.copy()
    for user, movie, _ in entries_by_role(collected(prepared.blocks), by_user)[TEST]:
        known[user - 1, movie] = 0
    np.testing.assert_allclose(factors.scores(np.arange(60)), model(known.T / 5).numpy().T, rtol=1e-4, atol=1e-5)
