"""Evaluation on the test users or ratings, distributed: every figure with its protocol and its count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import Broadcast
from pyspark.sql import DataFrame

from recsys.config.run import Config
from recsys.data.blocks import Block, block_from_row
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.evaluation.factors import FactorScores
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.measure import Sums, list_length, measure_lists, measure_ratings, metrics_for
from recsys.evaluation.protocol import split_protocol
from recsys.evaluation.row_sampling import choose, fraction_of
from recsys.evaluation.scoring import ModelScores, UserScores
from recsys.evaluation.topk import best_first, first_unseen, top_n_of_blocks, worth_compiling
from recsys.losses.base import noting, rows_of
from recsys.models.base import Scorer
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn
from recsys.registries import loss_named

MODEL, FOLD_IN, POPULARITY = "model", "fold_in", "popularity"
ROLES = {"validation": VALIDATION, "test": TEST}
RATING_PREDICTORS = (MODEL, FOLD_IN, "global_mean", "movie_mean", "user_movie_bias")


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
    rows = judged.test.rows * fraction_of(judged.test.rows, config.evaluation.users)
    compiled = worth_compiling(int(rows) * judged.examples.width // judged.test.workers)
    run = _measure_partition(judged, config, totals, predicts_ratings, compiled)
    sums = judged.test.blocks.mapPartitions(run).treeReduce(Sums.merge)
    totals.destroy()
    return {
        "reconstruction": _reconstruction(parts, shared, examples, config, role),
        "rating_prediction": _rating_prediction(sums, judged, config, predicts_ratings),
        "ranking": _ranking(sums, judged, config),
    }


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
    judged: Judged, config: Config, totals: Any, predicts_ratings: bool, compiled: bool
) -> Callable[[Iterable[Block]], Iterator[Sums]]:
    examples, scores, fold_in, role = judged.examples, judged.scores, judged.fold_in, judged.role  # RDDs stay here
    fraction, n = fraction_of(judged.test.rows, config.evaluation.users), list_length(config.evaluation)
    to_ratings = examples.preprocessing.to_ratings

    def run(blocks: Iterable[Block]) -> Iterator[Sums]:
        sums = Sums()
        movie_sums, movie_counts = totals.value
        popular = best_first(movie_counts)
        for block in (choose(block, fraction) for block in blocks):
            shown, held = examples.shown_and_held(block, role)
            for rows, outputs in scores(block, shown):
                known, truth = shown[rows], held[rows]
                of_truth = np.empty(truth.nnz, np.float32)
                best = top_n_of_blocks(noting(outputs, truth, of_truth), known, min(n, examples.width), compiled)
                measure_lists(sums, MODEL, best, truth, config)
                measure_lists(sums, POPULARITY, first_unseen(popular, known, n), truth, config)
                if predicts_ratings:
                    predicted = {MODEL: to_ratings(of_truth)}
                    if fold_in is not None:
                        predicted[FOLD_IN] = to_ratings(fold_in.value.score(known)[rows_of(truth), truth.indices])
                    measure_ratings(sums, predicted, known, truth, movie_sums, movie_counts, examples)
        yield sums

    return run


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
