"""Evaluation on the test users or ratings, distributed: every figure with its protocol and its count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyspark import Broadcast
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix

from recsys.config.run import Config, EvaluationConfig
from recsys.data.blocks import Block, block_from_row
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import keep_entries
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.evaluation.baselines import bias_predictions
from recsys.evaluation.factors import FactorScores
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.metrics.base import Metric
from recsys.evaluation.metrics.ndcg import Ndcg
from recsys.evaluation.metrics.recall import Recall
from recsys.evaluation.protocol import split_protocol
from recsys.evaluation.row_sampling import choose, fraction_of
from recsys.evaluation.scoring import ModelScores, UserScores
from recsys.evaluation.topk import hits, top_n, top_of_all
from recsys.models.base import Scorer
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn
from recsys.registries import METRICS, loss_named

MODEL, FOLD_IN, POPULARITY = "model", "fold_in", "popularity"
ROLES = {"validation": VALIDATION, "test": TEST}
RATING_PREDICTORS = (MODEL, FOLD_IN, "global_mean", "movie_mean", "user_movie_bias")


@dataclass
class Sums:
    """What adds up over users: count, sum and sum of squares by name, and the movies recommended at all."""

    values: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (count, sum, sum of squares)
    recommended: dict[str, np.ndarray] = field(default_factory=dict)  # name -> bool (movies)

    def add(self, name: str, values: np.ndarray) -> None:
        """Adds finite values, such as one a user."""
        values = values[np.isfinite(values)].astype(np.float64)
        new = np.array([len(values), values.sum(), np.square(values).sum()])
        self.values[name] = self.values.get(name, 0) + new

    def recommend(self, name: str, best: np.ndarray, movies: int) -> None:
        """Notes which movies stand in somebody's list."""
        seen = self.recommended.setdefault(name, np.zeros(movies, bool))
        seen[best[best >= 0]] = True

    def merge(self, other: Sums) -> Sums:
        """The sums of both."""
        result = Sums(dict(self.values), dict(self.recommended))
        for name, values in other.values.items():
            result.values[name] = result.values.get(name, 0) + values
        for name, seen in other.recommended.items():
            result.recommended[name] = result.recommended[name] | seen if name in result.recommended else seen
        return result

    def mean(self, name: str) -> dict[str, float | int | None]:
        """Mean, standard error of the mean (None for one value alone) and count."""
        count, total, squares = self.values.get(name, np.zeros(3))
        if not count:
            return {"mean": None, "standard_error": None, "count": 0}
        mean = total / count
        variance = max(squares / count - mean**2, 0.0) * count / (count - 1) if count > 1 else None
        error = None if variance is None else float(np.sqrt(variance / count))
        return {"mean": float(mean), "standard_error": error, "count": int(count)}


@dataclass(frozen=True)
class Judged:
    """The users on whom a model is judged, as blocks of users, and what scores movies for them."""

    train: Part  # whose training ratings make the baselines
    test: Part
    examples: Examples
    scores: UserScores
    role: int = TEST  # whose held-out ratings are predicted
    fold_in: Any = None  # broadcast of a FoldIn where that is what is saved, to be judged on ratings as well


def judge_factors(factors: Factors, users: np.ndarray, blocks: DataFrame, examples: Examples) -> Judged:
    """All users, for a model of movies' arrays. `users`: ids ascending; `blocks` and `examples`: the users' arrays."""
    rows = blocks.rdd.map(block_from_row)
    everybody = Part(rows, len(users), rows.getNumPartitions())
    context = rows.context
    scores = FactorScores(context.broadcast((factors, users)))
    fold_in = context.broadcast(FoldIn.of(factors, examples.preprocessing))
    return Judged(everybody, everybody, examples, scores, fold_in=fold_in)


def evaluate(
    parts: dict[int, Part],
    shared: Broadcast[Scorer],
    examples: Examples,
    config: Config,
    judged: Judged | None = None,
    role: int = TEST,
) -> dict[str, Any]:
    """metrics.json: reconstruction, rating prediction and ranking on the test part, with baselines.

    Args:
        parts: what the model was trained and is tested on, by role.
        shared: the model's scorer.
        examples: how the arrays of `parts` are split.
        config: all settings.
        judged: where `parts` are not users' arrays, the users on whom the model is judged.
        role: TEST or VALIDATION.
    """
    judged = judged or Judged(parts[TRAIN], parts[role], examples, ModelScores(shared), role)
    totals = judged.test.blocks.context.broadcast(movie_totals(judged.train, judged.examples))
    likes = judged.examples.preprocessing.likes
    predicts_ratings = loss_named(config.model.loss_name).predicts_ratings and not likes
    run = _measure_partition(judged, config, totals, predicts_ratings)
    sums = judged.test.blocks.mapPartitions(run).treeReduce(Sums.merge)
    totals.destroy()
    return {
        "reconstruction": _reconstruction(parts, shared, examples, config, role),
        "rating_prediction": _rating_prediction(sums, judged, config, predicts_ratings),
        "ranking": _ranking(sums, judged, config),
    }


def metrics_for(settings: EvaluationConfig) -> list[Metric]:
    """The metrics of ranked lists that the settings ask for: recall, NDCG, then `evaluation.metrics`."""
    metrics: list[Metric] = [*map(Recall, settings.recall_at), Ndcg(settings.ndcg_at)]
    for text in settings.metrics:
        name, _, k = text.rpartition("@")
        metrics.append(METRICS.get(name)(int(k)))
    return list({metric.label: metric for metric in metrics}.values())


def movie_totals(part: Part, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """(sums, counts) of the training ratings of every movie, float64."""

    def run(blocks: Iterable[Block]) -> Iterator[np.ndarray]:
        totals = np.zeros((2, examples.width))
        for block in blocks:
            shown, _ = examples.arrays(block, TRAIN)
            totals[0] += np.bincount(shown.indices, shown.data, examples.width)
            totals[1] += np.bincount(shown.indices, minlength=examples.width)
        yield totals

    sums, counts = part.blocks.mapPartitions(run).treeReduce(np.add)
    return sums, counts


def _measure_partition(
    judged: Judged, config: Config, totals: Any, predicts_ratings: bool
) -> Callable[[Iterable[Block]], Iterator[Sums]]:
    examples, scores, fold_in, role = judged.examples, judged.scores, judged.fold_in, judged.role  # RDDs stay here
    fraction = fraction_of(judged.test.rows, config.evaluation.users)

    def run(blocks: Iterable[Block]) -> Iterator[Sums]:
        sums = Sums()
        movie_sums, movie_counts = totals.value

        def popular(judged: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
            return top_of_all(movie_counts, seen, n)

        for block in (choose(block, fraction) for block in blocks):
            shown, held = examples.shown_and_held(block, role)
            for rows, output in scores(block, shown):
                measure_ranking(sums, MODEL, output, shown[rows], held[rows], config)
                _measure_lists(sums, POPULARITY, popular, shown[rows], held[rows], config)
                if predicts_ratings:
                    predicted = {MODEL: examples.preprocessing.to_ratings(output)}
                    if fold_in is not None:
                        predicted[FOLD_IN] = examples.preprocessing.to_ratings(fold_in.value.score(shown[rows]))
                    measure_ratings(sums, predicted, shown[rows], held[rows], movie_sums, movie_counts, examples)
        yield sums

    return run


def measure_ranking(
    sums: Sums, name: str, scores: np.ndarray, shown: csr_matrix, held: csr_matrix, config: Config
) -> None:
    """Adds the ranking figures of some users: `scores` (users, movies), what they were shown, what was held out."""

    def best(judged: np.ndarray, seen: csr_matrix, n: int) -> np.ndarray:
        return top_n(scores[judged], seen, n)

    _measure_lists(sums, name, best, shown, held, config)


def _measure_lists(
    sums: Sums,
    name: str,
    lists: Callable[[np.ndarray, csr_matrix, int], np.ndarray],
    shown: csr_matrix,
    held: csr_matrix,
    config: Config,
) -> None:
    """The same for `lists` of the n best movies (users, n) of those users of a mask, seen ones left out."""
    settings = config.evaluation
    if settings.relevant_from is not None:
        held = keep_entries(held, held.data >= settings.relevant_from)
    relevant = np.diff(held.indptr)
    judged = relevant > 0
    if not judged.any():
        return
    metrics = metrics_for(settings)
    best = lists(judged, shown[judged], max(metric.k for metric in metrics))
    hit = hits(best, held[judged])
    for metric in metrics:
        sums.add(f"{name}/{metric.label}", metric.per_user(hit, relevant[judged]))
    sums.recommend(name, best[:, : settings.recall_at[0]], shown.shape[1])


def measure_ratings(
    sums: Sums,
    predicted: dict[str, np.ndarray],
    shown: csr_matrix,
    held: csr_matrix,
    movie_sums: np.ndarray,
    movie_counts: np.ndarray,
    examples: Examples,
) -> None:
    """Adds the errors on held-out ratings of the model and of the predictors that anybody can make."""
    rows = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    columns, truth = held.indices, held.data.astype(np.float64)
    mean, movie_bias, user_bias = bias_predictions(shown, movie_sums, movie_counts)
    known = movie_counts > 0
    movie_mean = np.where(known, movie_sums / np.maximum(movie_counts, 1), mean)
    low, high = examples.preprocessing.rating_min, examples.preprocessing.rating_max
    guesses = {name: matrix[rows, columns] for name, matrix in predicted.items()}
    guesses["global_mean"] = np.full(len(truth), mean)
    guesses["movie_mean"] = movie_mean[columns]
    guesses["user_movie_bias"] = mean + movie_bias[columns] + user_bias[rows]
    for name, guess in guesses.items():
        error = np.clip(guess, low, high) - truth
        sums.add(f"{name}/squared_error", np.square(error))
        sums.add(f"{name}/absolute_error", np.abs(error))


def _reconstruction(
    parts: dict[int, Part], shared: Broadcast[Scorer], examples: Examples, config: Config, role: int
) -> dict[str, Any]:
    name, part = config.model.loss_name, next(text for text, number in ROLES.items() if number == role)
    about = {TRAIN: config.training.loss_rows}
    if config.data.orientation == "user":
        about[role] = config.evaluation.users
    loss = loss_named(name).of(examples.preprocessing)
    losses = mean_losses({key: parts[key] for key in (TRAIN, role)}, shared, examples, loss, about)
    train, test = losses[TRAIN].loss, losses[role].loss
    what = "held-out ratings given the others" if examples.by_rating else "whole rating arrays, in and out"
    what = what if examples.split_time is None else "the ratings of the part given the earlier ones"
    rows = f"{config.data.orientation}s"
    some = _some_of(parts[role].rows, about.get(role, 0))
    return {
        "protocol": f"{name} on training {rows}, and on {part} {rows}: {what}{some}; "
        f"divergence ({part} - train) / train",
        "loss": name,
        "train": train,
        part: test,
        "divergence": (test - train) / train if train else None,
        f"train_{rows}": losses[TRAIN].rows,
        f"{part}_{rows}": losses[role].rows,
    }


def _rating_prediction(sums: Sums, judged: Judged, config: Config, predicts_ratings: bool) -> dict[str, Any]:
    if not predicts_ratings:
        why = "multinomial loss, or likes or counts for input"
        return {"skipped": f"the model scores movies, it does not predict ratings ({why})"}
    preprocessing = judged.examples.preprocessing
    folded = "; fold_in: the same users as the saved model has them, fitted to the ratings shown alone"
    result: dict[str, Any] = {
        "protocol": f"{_test_protocol(judged, config)}; predictions clipped to "
        f"{preprocessing.rating_min:g} to {preprocessing.rating_max:g}; all held-out ratings are predicted"
        + ("" if judged.fold_in is None else folded)
        + (config.model.rating_errors and f"; {config.model.rating_errors}"),
        "ratings": sums.mean(f"{MODEL}/squared_error")["count"],
    }
    for name in RATING_PREDICTORS:
        if name == FOLD_IN and judged.fold_in is None:
            continue
        squared, absolute = sums.mean(f"{name}/squared_error")["mean"], sums.mean(f"{name}/absolute_error")["mean"]
        result[name] = {"rmse": None if squared is None else float(np.sqrt(squared)), "mae": absolute}
    return result


def _ranking(sums: Sums, judged: Judged, config: Config) -> dict[str, Any]:
    settings = config.evaluation
    relevant = "every held-out movie"
    if config.data.positive_from is not None:
        relevant = f"held-out ratings of {config.data.positive_from:g} and more"
    elif settings.relevant_from is not None:
        relevant = f"held-out ratings of {settings.relevant_from:g} and more"
    figures = [metric.label for metric in metrics_for(settings)]
    coverage = f"coverage@{settings.recall_at[0]}"
    result: dict[str, Any] = {
        "protocol": f"{_test_protocol(judged, config)}; all movies ranked, seen ones removed; relevant: {relevant}",
        "users": sums.mean(f"{MODEL}/{figures[0]}")["count"],
        "test_users": judged.test.rows,
    }
    for name in (MODEL, POPULARITY):
        result[name] = {figure: sums.mean(f"{name}/{figure}") for figure in figures}
        seen = sums.recommended.get(name)
        result[name][coverage] = None if seen is None else float(seen.mean())
    return result


def _test_protocol(judged: Judged, config: Config) -> str:
    return split_protocol(judged.examples, config, judged.role) + _some_of(judged.test.rows, config.evaluation.users)


def _some_of(users: int, enough: int) -> str:
    fraction = fraction_of(users, enough)
    return "" if fraction == 1 else f"; {fraction:.1%} of {users:,} test users, chosen by their ids"
