"""`recsys.tune`: a study from its first trial to the test of what it found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.api import matched
from recsys.config.load import as_tree, leaves_of
from recsys.config.ranges import Space
from recsys.config.run import Config
from recsys.config.search import check_space, space_of
from recsys.data.dataset import Dataset
from recsys.errors import ConfigError, UserError
from recsys.evaluation.figure import LOSS, MAE, RMSE, Figure, figure_named
from recsys.json_files import read_json, write_json
from recsys.registries import FAMILIES
from recsys.tuning.bounds import bounds_of
from recsys.tuning.final import DEFAULT, TUNED, Tested, test_models
from recsys.tuning.folder import FINAL, begin_in
from recsys.tuning.importance import write_importance
from recsys.tuning.journal import journal_in
from recsys.tuning.results import TrialRow, most_common_reason
from recsys.tuning.runner import Runner, TrialProgress
from recsys.tuning.study import AUTO, Study, check_names
from recsys.tuning.trial import BeforeTraining, Workbench, run_trial


@dataclass(frozen=True)
class Tuned:
    """What tuning came to.

    Attributes:
        metric: the figure that was searched for, such as "validation_rmse".
        trials: all that ended, the best first.
        best: the best.
        config: its settings, complete.
        importance: by key, which part of the figure's variance it explains; empty where there are too few trials.
        notes: sentences on what was found, such as a best value at the end of its range.
        final: by "tuned" and "default" the figures on the test part, with their mean and standard error over seeds;
            empty with seeds = 0.
    """

    metric: str
    trials: list[TrialRow]
    best: TrialRow
    config: Config
    importance: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    final: Tested = field(default_factory=dict)


def tune(
    dataset: Dataset,
    config: Config,
    space: Space | None = None,
    *,
    trials: int = 100,
    timeout: float | None = None,
    parallel: int | None = None,
    metric: str | None = None,
    sampler: str = "tpe",
    pruner: str = "auto",
    fraction: float = 1.0,
    seeds: int = 3,
    output: str | Path | None = None,
    on_trial: Callable[[TrialProgress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    before_training: BeforeTraining | None = None,
    before_test: Callable[[], None] | None = None,
) -> Tuned:
    """Searches for the settings with the best figure on the validation part, and tests them once at the end.

    Args:
        dataset: the ratings.
        config: the settings that are varied; the first trial is of them.
        space: what is searched, by key, such as {"model.l2": Range(low=0.1, high=10, scale="log")}; by default what
            the family publishes.
        trials: how many. A grid has no more than it has points.
        timeout: after so many seconds no trial is begun; None is no limit.
        parallel: trials at once; by default as many as have a core for each worker. With 1 the same seed gives the
            same trials.
        metric: "validation_" and a figure of metrics.json, such as "validation_ndcg@100"; by default validation_rmse
            of a model that predicts ratings, else validation_ndcg.
        sampler: "tpe", "random", "grid" or "cmaes".
        pruner: "median" or "hyperband" give up trials by their epochs' validation losses; "none" does not; "auto" is
            "median" where the figure is an error or the loss, and no searched key changes what the loss measures.
        fraction: trials are of this part of the training users, and the best tenth of them, 3 at least, once more of
            all.
        seeds: how often the winner and the untuned settings are trained and tested; 0 leaves the test out.
        output: a folder for the study and all that it finds. A study that is there is continued, if it is of the same
            settings. Without it nothing is kept.
        on_trial: called after each trial.
        on_message: gets what is noteworthy beside that.
        before_training: called before each trial with what is about to be trained on; may refuse.
        before_test: called once, when all trials are over.

    Raises:
        ConfigError: the settings, the space or an argument are wrong.
        UserError: another study is in `output`, or no trial was complete.
    """
    check_names(sampler, pruner)
    _check_numbers(trials, timeout, parallel, fraction, seeds)
    dataset, config = matched(dataset, config)
    figure = figure_named(metric, config, dataset.preprocessing)
    if fraction < 1 and config.data.orientation == "movie":
        raise ConfigError("fraction: a sample of users is no sample of movies' arrays: leave it out")
    if space is None:
        space = space_of(config)
    check_space(space, config)
    if pruner == AUTO:
        pruner = "median" if _losses_tell(figure, space, config) else "none"
    many = parallel or _fitting(dataset, config)
    if _uses_tensorflow(config):
        many = 1  # it is imported by a setting that Spark has once
    notes = {
        "metric": str(figure), "direction": figure.direction, "sampler": sampler, "pruner": pruner, "seed": config.seed,
        "trials": trials, "timeout": timeout, "parallel": many, "fraction": fraction, "seeds": seeds,
    }  # fmt: skip
    with ExitStack() as stack:
        folder = Path(output) if output else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        storage = stack.enter_context(journal_in(folder))
        begin_in(folder, notes, space, config)
        study = Study(
            storage, space, figure.larger_is_better, sampler=sampler, pruner=pruner, seed=config.seed, trials=trials,
            epochs=config.training.epochs, fraction=fraction, parallel=many > 1,
        )  # fmt: skip
        study.begin_with(_point_of(config, space))
        bench = Workbench(dataset, config, before_training)
        bench.arranged(config, fraction)
        say = on_message or (lambda text: None)
        runner = Runner(study, bench, figure, folder, many, timeout, on_trial or (lambda progress: None))
        runner.run(min(trials, study.size or trials), fraction)
        rows = runner.ranked()
        best = rows[0] if rows and rows[0].rank else None
        if best is None:
            raise UserError(_none_complete(rows))
        found = bench.config_at(best.parameters)
        importance = write_importance(folder)
        lines = bounds_of(best, space, bench)
        for line in lines:
            say(line)
        bench.close()
        if before_test:
            before_test()
        final = _test(folder, bench, figure, best, study.best_epoch(best.number), seeds, lines, say)
        return Tuned(str(figure), rows, best, found, importance, lines, final)


def _test(
    folder: Path,
    bench: Workbench,
    figure: Figure,
    best: TrialRow,
    epoch: int,
    seeds: int,
    lines: list[str],
    say: Callable[[str], None],
) -> Tested:
    """The test of the winner and of the untuned settings, kept in final.json after each model."""
    head: dict[str, Any] = {
        "metric": figure.name,
        "direction": figure.direction,
        "trial": best.number,
        "parameters": best.parameters,
        "notes": lines,
        "best_reachable_rmse": bench.dataset.statistics.get("best_reachable_rmse"),
    }
    before = read_json(folder / FINAL)
    if before.get("trial") != best.number:
        before = {}  # more trials have found a better one

    def save(tested: Tested) -> None:
        write_json(folder / FINAL, {**head, **tested})

    save({name: before[name] for name in (TUNED, DEFAULT) if name in before})
    if not seeds:
        return {}
    configs = {TUNED: (bench.config_at(best.parameters), epoch)}
    if configs[TUNED][0] == bench.config:
        configs[DEFAULT] = configs[TUNED]
    else:
        own = Workbench(bench.dataset, bench.config)
        untuned = run_trial(own, {}, figure)
        own.close()
        if untuned.value is None:
            say(f"the untuned settings cannot be tested: {untuned.reason}")
        else:
            configs[DEFAULT] = bench.config, untuned.best_epoch
    return test_models(bench.dataset, configs, figure, seeds, before, save, say)


def _losses_tell(figure: Figure, space: Space, config: Config) -> bool:
    """Whether a trial of a larger validation loss than another's has, as a rule, the worse figure too."""
    changes = config.model.changes_loss
    return figure.name in (LOSS, RMSE, MAE) and not any(key.rpartition(".")[2] in changes for key in space)


def _point_of(config: Config, space: Space) -> dict[str, Any]:
    """What the settings themselves say of the searched keys; those without a value are left out."""
    leaves = leaves_of(as_tree(config))
    return {key: leaves[key] for key in space if key in leaves}


def _none_complete(rows: list[TrialRow]) -> str:
    reason, times = most_common_reason(rows)
    if not rows:
        return "no trial was run: raise trials or timeout"
    if not reason:
        return f"none of {len(rows)} trials was complete, all were pruned: set pruner = 'none'"
    return f"none of {len(rows)} trials was complete; {times} of them failed like this: {reason}"


def _check_numbers(trials: int, timeout: float | None, parallel: int | None, fraction: float, seeds: int) -> None:
    wrong = [
        text
        for text, bad in (
            (f"trials = {trials}: expected a whole number from 1", trials < 1),
            (f"timeout = {timeout}: expected seconds above 0", timeout is not None and timeout <= 0),
            (f"parallel = {parallel}: expected a whole number from 1", parallel is not None and parallel < 1),
            (f"fraction = {fraction}: expected above 0 and at most 1", not 0 < fraction <= 1),
            (f"seeds = {seeds}: expected a whole number from 0", seeds < 0),
        )
        if bad
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))


def _fitting(dataset: Dataset, config: Config) -> int:
    """How many trials have a core for each of their workers."""
    return max(1, dataset.blocks.sparkSession.sparkContext.defaultParallelism // config.training.workers)


def _uses_tensorflow(config: Config) -> bool:
    family = FAMILIES.get(config.model.kind)
    return config.training.strategy == "elephas" or family.supports_with(config.model).needs_tensorflow
