"""Tuning as users do it by hand: Optuna drives `implicit` or Surprise, one trial after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
from _splits import STARS, Splits, ranking_figures
from scipy.sparse import csr_matrix

from recsys.config import Config

INSTALL = "pip install --target RIVALS --no-deps implicit scikit-surprise tqdm, then PYTHONPATH=RIVALS"


@dataclass(frozen=True)
class Searched:
    """What a search came to: the best validation figure, and the seconds of all trials."""

    best: float
    seconds: float
    settings: Mapping[str, Any]


def has(package: str) -> bool:
    """Whether a package is installed."""
    return find_spec(package) is not None


def search(
    objective: Callable[[optuna.Trial], float], first: Mapping[str, Any], trials: int, seed: int, maximise: bool
) -> Searched:
    """A study by multivariate TPE, as howdah's; its first trial is of the library's own defaults."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize" if maximise else "minimize",
        sampler=optuna.samplers.TPESampler(multivariate=True, seed=seed),
    )
    study.enqueue_trial(dict(first))
    clock = time.monotonic()
    study.optimize(objective, n_trials=trials)
    return Searched(study.best_value, time.monotonic() - clock, study.best_params)


def implicit_als(splits: Splits, config: Config, trials: int) -> Searched:
    """`implicit`'s ALS on likes, on all cores: NDCG of the validation users, folded in."""
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    shown, held = splits.validation

    def objective(trial: optuna.Trial) -> float:
        model = AlternatingLeastSquares(
            factors=trial.suggest_int("factors", 8, 512, log=True),
            regularization=trial.suggest_float("regularization", 1e-3, 100, log=True),
            alpha=trial.suggest_float("alpha", 0.1, 100, log=True),
            iterations=trial.suggest_int("iterations", 5, 30),
            random_state=config.seed,
            num_threads=os.cpu_count() or 1,
        )
        with threadpool_limits(1, "blas"):  # as the library asks for: its own threads use all cores
            model.fit(splits.train, show_progress=False)
        users = np.asarray(model.recalculate_user(np.arange(shown.shape[0]), shown))
        scores = users @ np.asarray(model.item_factors).T
        return ranking_figures(scores, (shown, held), config)[f"ndcg@{config.evaluation.ndcg_at}"]

    first = {"factors": 100, "regularization": 0.01, "alpha": 1.0, "iterations": 15}
    return search(objective, first, trials, config.seed, maximise=True)


def surprise_svd(splits: Splits, config: Config, trials: int) -> Searched:
    """Surprise's SVD (mean, biases and vectors by stochastic gradient descent) on ratings: RMSE of the validation."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    scale = splits.preprocessing.rating_min, splits.preprocessing.rating_max
    train = splits.train.tocoo()
    stars = splits.preprocessing.to_ratings(train.data / STARS)
    rated = pd.DataFrame({"user": train.row, "movie": train.col, "rating": stars})
    data = Dataset.load_from_df(rated, Reader(rating_scale=scale)).build_full_trainset()
    held = splits.validation[1]

    def objective(trial: optuna.Trial) -> float:
        model = SVD(
            n_factors=trial.suggest_int("n_factors", 2, 256, log=True),
            n_epochs=trial.suggest_int("n_epochs", 5, 60),
            lr_all=trial.suggest_float("lr_all", 0.002, 0.03, log=True),
            reg_all=trial.suggest_float("reg_all", 0.01, 0.3, log=True),
            random_state=config.seed,
        )
        model.fit(data)
        return _rmse(_predicted(model, data, held), held, scale)

    first = {"n_factors": 100, "n_epochs": 20, "lr_all": 0.005, "reg_all": 0.02}
    return search(objective, first, trials, config.seed, maximise=False)


def _predicted(model: Any, data: Any, held: csr_matrix) -> np.ndarray:
    """What a model of Surprise predicts for the entries of `held`; of somebody unknown what is left without him."""
    places = held.tocoo()
    users = np.array([_inner(data.to_inner_uid, user) for user in places.row])
    movies = np.array([_inner(data.to_inner_iid, movie) for movie in places.col])
    known_user, known_movie = users >= 0, movies >= 0
    found = np.full(places.nnz, float(data.global_mean))
    found += np.where(known_user, model.bu[users], 0) + np.where(known_movie, model.bi[movies], 0)
    products = np.einsum("ij,ij->i", model.pu[users], model.qi[movies])
    predictions: np.ndarray = found + np.where(known_user & known_movie, products, 0)
    return predictions


def _inner(lookup: Callable[[int], int], raw: int) -> int:
    try:
        return lookup(raw)
    except ValueError:  # not in the training ratings
        return -1


def _rmse(predicted: np.ndarray, held: csr_matrix, scale: tuple[float, float]) -> float:
    return float(np.sqrt(np.square(np.clip(predicted, *scale) - held.tocoo().data).mean()))
