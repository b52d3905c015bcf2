"""What evaluation adds up over users: figures of ranked lists, and errors on held-out ratings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config.run import Config, EvaluationConfig
from recsys.data.examples import Examples
from recsys.data.preprocessing import keep_entries
from recsys.evaluation.baselines import bias_predictions
from recsys.evaluation.metrics.base import Metric
from recsys.evaluation.metrics.ndcg import Ndcg
from recsys.evaluation.metrics.recall import Recall
from recsys.evaluation.topk import hits, top_n
from recsys.losses.base import rows_of
from recsys.registries import METRICS


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


def metrics_for(settings: EvaluationConfig) -> list[Metric]:
    """The metrics of ranked lists that the settings ask for: recall, NDCG, then `evaluation.metrics`."""
    metrics: list[Metric] = [*map(Recall, settings.recall_at), Ndcg(settings.ndcg_at)]
    for text in settings.metrics:
        name, _, k = text.rpartition("@")
        metrics.append(METRICS.get(name)(int(k)))
    return list({metric.label: metric for metric in metrics}.values())


def list_length(settings: EvaluationConfig) -> int:
    """How many movies the lists have that the metrics are of."""
    return max(metric.k for metric in metrics_for(settings))


def measure_ranking(
    sums: Sums, name: str, scores: np.ndarray, shown: csr_matrix, held: csr_matrix, config: Config
) -> None:
    """Adds the ranking figures of some users: `scores` (users, movies), what they were shown, what was held out."""
    measure_lists(sums, name, top_n(scores, shown, list_length(config.evaluation)), held, config)


def measure_lists(sums: Sums, name: str, best: np.ndarray, held: csr_matrix, config: Config) -> None:
    """The same of the users' best movies (users, n), seen ones left out, n as `list_length` has it."""
    settings = config.evaluation
    if settings.relevant_from is not None:
        held = keep_entries(held, held.data >= settings.relevant_from)
    relevant = np.diff(held.indptr)
    judged = relevant > 0
    if not judged.any():
        return
    hit = hits(best, held)[judged]
    for metric in metrics_for(settings):
        sums.add(f"{name}/{metric.label}", metric.per_user(hit, relevant[judged]))
    sums.recommend(name, best[judged, : settings.recall_at[0]], held.shape[1])


def measure_ratings(
    sums: Sums,
    predicted: dict[str, np.ndarray],
    shown: csr_matrix,
    held: csr_matrix,
    movie_sums: np.ndarray,
    movie_counts: np.ndarray,
    examples: Examples,
) -> None:
    """Adds the errors on held-out ratings of the model and of the predictors that anybody can make.

    `predicted` has by name what is predicted of each entry of `held` (entries).
    """
    rows, columns, truth = rows_of(held), held.indices, held.data.astype(np.float64)
    mean, movie_bias, user_bias = bias_predictions(shown, movie_sums, movie_counts)
    known = movie_counts > 0
    movie_mean = np.where(known, movie_sums / np.maximum(movie_counts, 1), mean)
    low, high = examples.preprocessing.rating_min, examples.preprocessing.rating_max
    guesses = dict(predicted)
    guesses["global_mean"] = np.full(len(truth), mean)
    guesses["movie_mean"] = movie_mean[columns]
    guesses["user_movie_bias"] = mean + movie_bias[columns] + user_bias[rows]
    for name, guess in guesses.items():
        error = np.clip(guess, low, high) - truth
        sums.add(f"{name}/squared_error", np.square(error))
        sums.add(f"{name}/absolute_error", np.abs(error))
