"""Search for the best settings by validation data, test them once at the end, and say how they were found."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_trial, describe_tuned
from spark_jobs.run.prepared import settings_of

if TYPE_CHECKING:  # imported late: Spark starts before the rest is imported
    from recsys.tuning.runner import TrialProgress


def run_tune(run: Run) -> None:
    """The data phases, then all trials as model_training, and the test at the end as model_evaluation."""
    options = run.arguments.options
    config, directory = settings_of(run), options.prepared
    spark = run.session()
    from recsys.tuning.tune import tune
    from spark_jobs.run.data import load_dataset
    from spark_jobs.run.memory_check import check_memory

    dataset = load_dataset(run, spark, config, directory)
    run.write_json("statistics.json", dataset.statistics)
    run.say(describe_data(dataset.statistics))

    def say_trial(progress: TrialProgress) -> None:
        run.say(describe_trial(progress))

    with ExitStack() as phases:
        phases.enter_context(run.phase("model_training"))

        def begin_test() -> None:
            phases.close()
            phases.enter_context(run.phase("model_evaluation"))

        run.at_end.append(("the page of the study", lambda: _page(run)))  # however it ends
        tuned = tune(
            dataset, config, run.arguments.space,
            trials=options.trials, timeout=options.timeout, parallel=options.parallel, metric=options.metric,
            sampler=options.sampler, pruner=options.pruner, fraction=options.fraction, seeds=options.seeds,
            output=run.path, on_trial=say_trial, on_message=run.say,
            before_training=check_memory, before_test=begin_test,
        )  # fmt: skip
    run.say(describe_tuned(tuned, run.path))


def _page(run: Run) -> None:
    from spark_jobs.tuning.page import write_page  # late: it draws pictures

    run.say(f"study: {write_page(run.path)}")


if __name__ == "__main__":
    exit_with(run_job("tune", run_tune))
