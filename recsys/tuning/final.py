"""The test at the end: the winner and the untuned settings, each trained on training and validation part together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import fmean, stdev
from typing import Any

from recsys.api import evaluate, fit, matched
from recsys.arranged import Arranged, arrange
from recsys.config.feedback import uses_weights
from recsys.config.load import as_tree, build_config
from recsys.config.run import Config
from recsys.data.dataset import Dataset
from recsys.evaluation.figure import LOSS, MAE, RMSE, Figure
from recsys.registries import FAMILIES

TUNED, DEFAULT = "tuned", "default"
Tested = dict[str, Any]


def test_models(
    dataset: Dataset,
    configs: Mapping[str, tuple[Config, int]],
    figure: Figure,
    seeds: int,
    before: Mapping[str, Any],
    save: Callable[[Tested], None],
    say: Callable[[str], None],
) -> Tested:
    """Trains each of the settings with each seed, for its best number of epochs, and tests it once.

    The split is that of the study, so that no test rating was in a part that anything was chosen by; `seed` alone
    varies. Settings that are those of an earlier name have its figures.

    Args:
        dataset: split as in the study.
        configs: by name, "tuned" and "default": the settings, and the epoch with their lowest validation loss.
        figure: of the study, measured on the test part.
        seeds: how many.
        before: what an earlier call had tested already.
        save: called with what is known after each model.
        say: gets a line for each model.

    Returns:
        By name `epochs`, `figures` (a seed each), `mean`, `standard_error` (None for one seed), and `metrics`: all
        figures with the first seed.
    """
    result: Tested = {name: dict(before[name]) for name in configs if isinstance(before.get(name), Mapping)}
    arranged: dict[bool, tuple[Dataset, Arranged]] = {}
    names = list(configs)
    for name, (config, epoch) in configs.items():
        if same := next((one for one in names[: names.index(name)] if configs[one] == (config, epoch)), None):
            result[name] = result[same]
            say(f"{name}: the same settings, which are not tested again")
            save(result)
            continue
        figures = list(result.get(name, {}).get("figures", []))
        for seed in range(len(figures), seeds):
            asked = on_all_but_test(config, epoch, seed)
            if (weighs := uses_weights(asked)) not in arranged:
                whole, asked = matched(_split_like(dataset, asked), asked)
                arranged[weighs] = whole, arrange(whole, asked)
            whole, parts = arranged[weighs]
            model = fit(whole, asked, arranged=parts)
            metrics = evaluate(model, whole)
            value = figure_in(metrics, figure)
            figures.append(value)
            say(f"{name}, seed {asked.seed}: test {figure.name} {value:.6g}")
            known = {"epochs": asked.training.epochs, "figures": figures, **_mean(figures)}
            result[name] = {**known, "metrics": result.get(name, {}).get("metrics", metrics)}
            save(result)
    for _, parts in arranged.values():
        parts.unpersist()
    return result


def on_all_but_test(config: Config, epoch: int, seed: int) -> Config:
    """The settings of a training on training and validation part together.

    Args:
        config: of a trial.
        epoch: how many epochs are trained: there is no validation to choose one by. Where training.schedule is
            "cosine", which depends on their number, or training.keep is "last", all are.
        seed: is added to the settings' own; the split stays.
    """
    training = config.training
    all_of_them = training.schedule == "cosine" or training.keep == "last" or epoch < 1
    tree = as_tree(config)
    tree["seed"] = (config.seed + seed) % 2**32
    tree["data"] |= {"validation_fraction": 0.0, "split_seed": config.split_seed}
    if not FAMILIES.get(config.model.kind).supports_with(config.model).closed_form:
        epochs = training.epochs if all_of_them else epoch
        tree["training"] |= {"epochs": epochs, "patience": 0, "keep": "last", "test_loss": False}
    return build_config(tree)


def figure_in(metrics: Mapping[str, Any], figure: Figure) -> float:
    """The figure of metrics.json, NaN where it is not there."""
    if figure.name == LOSS:
        value = metrics["reconstruction"]["test"]
    elif figure.name in (RMSE, MAE):
        value = metrics["rating_prediction"].get("model", {}).get(figure.name)
    else:
        value = metrics["ranking"]["model"][figure.name]["mean"]
    return math.nan if value is None else float(value)


def _split_like(dataset: Dataset, config: Config) -> Dataset:
    """The same ratings without a validation part."""
    data = config.data
    return dataset.with_settings(validation_fraction=data.validation_fraction, split_seed=data.split_seed)


def _mean(figures: list[float]) -> dict[str, float | None]:
    error = stdev(figures) / math.sqrt(len(figures)) if len(figures) > 1 else None
    return {"mean": fmean(figures), "standard_error": error}
