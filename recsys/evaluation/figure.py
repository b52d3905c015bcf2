"""One figure of a model alone, without baselines: what models are chosen by, in one pass over the part."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pyspark import Broadcast

from recsys.config.run import Config
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import VALIDATION
from recsys.errors import ConfigError
from recsys.evaluation.evaluate import MODEL
from recsys.evaluation.measure import Sums, list_length, measure_lists, metrics_for
from recsys.evaluation.row_sampling import choose, fraction_of
from recsys.evaluation.scoring import ModelScores
from recsys.evaluation.topk import top_n_of_blocks, worth_compiling
from recsys.losses.base import noting
from recsys.models.base import Scorer
from recsys.registries import loss_named

PREFIX = "validation_"
LOSS, RMSE, MAE = "loss", "rmse", "mae"


@dataclass(frozen=True)
class Figure:
    """A figure of the validation part.

    Attributes:
        name: as metrics.json has it: "loss", "rmse", "mae", or of ranked lists, such as "ndcg@100".
    """

    name: str

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger one is better: of lists it is, of errors and losses a smaller one."""
        return self.name not in (LOSS, RMSE, MAE)

    @property
    def direction(self) -> str:
        """In one word."""
        return "maximize" if self.larger_is_better else "minimize"

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}"


def figure_named(text: str | None, config: Config, preprocessing: Preprocessing | None = None) -> Figure:
    """The figure of that name, such as "validation_ndcg@100".

    Args:
        text: the name; None: validation_rmse of a model that predicts ratings, else validation_ndcg of the settings'
            length.
        config: the settings; their `evaluation` says which figures of lists there are.
        preprocessing: of the data, where they are read: likes are not predicted as ratings.

    Raises:
        ConfigError: there is no such figure, or the model has none.
    """
    lists = [metric.label for metric in metrics_for(config.evaluation)]
    predicts = loss_named(config.model.loss_name).predicts_ratings and not (preprocessing and preprocessing.likes)
    predicts = predicts and config.data.positive_from is None
    if text is None:
        return Figure(RMSE if predicts else f"ndcg@{config.evaluation.ndcg_at}")
    name = text.removeprefix(PREFIX)
    known = [f"{PREFIX}{one}" for one in (RMSE, MAE, LOSS, *lists)]
    if not text.startswith(PREFIX) or text not in known:
        near = difflib.get_close_matches(text if text.startswith(PREFIX) else f"{PREFIX}{text}", known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(
            f"metric = {text!r}: no such figure: {hint} More lengths: evaluation.metrics, recall_at, ndcg_at"
        )
    if name in (RMSE, MAE) and not predicts:
        raise ConfigError(
            f"metric = {text!r}: the model does not predict ratings: name {PREFIX}{lists[-1]} or a like one"
        )
    if name in lists and config.data.orientation == "movie":
        raise ConfigError(
            f"metric = {text!r}: with data.orientation = 'movie' only errors are known of the validation: name "
            f"{PREFIX}{RMSE}, {PREFIX}{MAE} or {PREFIX}{LOSS}"
        )
    return Figure(name)


def measure_figure(figure: Figure, part: Part, shared: Broadcast[Scorer], examples: Examples, config: Config) -> float:
    """The figure of the validation part, as `recsys.evaluate(..., role="validation")` has it; NaN where there is
    nothing to measure.

    Args:
        figure: of errors on ratings, or of lists; not the loss, which training knows.
        part: the validation part.
        shared: the model's scorer.
        examples: how the part's arrays are split.
        config: all settings.
    """
    fraction = fraction_of(part.rows, config.evaluation.users)
    compiled = worth_compiling(int(part.rows * fraction) * examples.width // part.workers)
    measure = _errors if figure.name in (RMSE, MAE) else _lists

    def run(blocks: Iterable[Block]) -> Iterator[Sums]:
        sums = Sums()
        for block in blocks:
            measure(sums, choose(block, fraction), ModelScores(shared), examples, config, compiled)
        yield sums

    sums = part.blocks.mapPartitions(run).fold(Sums(), Sums.merge)
    mean = sums.mean(f"{MODEL}/{_name_in_sums(figure)}")["mean"]
    if mean is None:
        return math.nan
    return math.sqrt(mean) if figure.name == RMSE else float(mean)


def _name_in_sums(figure: Figure) -> str:
    return {RMSE: "squared_error", MAE: "absolute_error"}.get(figure.name, figure.name)


_Measure = Callable[[Sums, Block, ModelScores, Examples, Config, bool], None]


def _errors(sums: Sums, block: Block, scores: ModelScores, examples: Examples, config: Config, compiled: bool) -> None:
    preprocessing = examples.preprocessing
    low, high = preprocessing.rating_min, preprocessing.rating_max
    shown, held = examples.shown_and_held(block, VALIDATION)
    for rows, outputs in scores(block, shown):
        truth = held[rows]
        predicted = np.empty(truth.nnz, np.float32)
        for _ in noting(outputs, truth, predicted):
            pass
        error = np.clip(preprocessing.to_ratings(predicted), low, high) - truth.data.astype(np.float64)
        sums.add(f"{MODEL}/squared_error", np.square(error))
        sums.add(f"{MODEL}/absolute_error", np.abs(error))


def _lists(sums: Sums, block: Block, scores: ModelScores, examples: Examples, config: Config, compiled: bool) -> None:
    shown, held = examples.shown_and_held(block, VALIDATION)
    n = min(list_length(config.evaluation), examples.width)
    for rows, outputs in scores(block, shown):
        best = top_n_of_blocks(outputs, shown[rows], n, compiled)
        measure_lists(sums, MODEL, best, held[rows], config)
