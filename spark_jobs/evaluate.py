"""Evaluate a trained model anew, on the test users or ratings that it was never shown."""

from __future__ import annotations

from recsys.recommend.saved import load_model, read_items
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_metrics, describe_source
from spark_jobs.run.trained_run import run_of


def run_evaluate(run: Run) -> None:
    """The data phases, and the phase model_evaluation."""
    options, config = run.arguments.options, run.config
    folder = run_of(options.model)
    items = read_items(folder)  # a broken model is found before the data phases
    if options.prepared:
        from recsys.data.store import with_prepared_data

        config = with_prepared_data(config, frozenset(), options.prepared)
    spark = run.session()
    from recsys.api import Model, evaluate  # late: Spark starts before the rest is imported
    from recsys.data.dataset import Dataset
    from recsys.data.store import free_settings
    from recsys.recommend.lookup import sources_of

    if options.prepared:
        with run.phase("data_loading"):
            free = free_settings(config.data)
            dataset = Dataset.load(spark, options.prepared, default_dir=str(folder / "data"), **free)
    else:
        run.say(describe_source(config.data))
        sources = sources_of(spark, config.data, folder / "data")
        dataset = Dataset.from_config(
            spark,
            config.data,
            str(folder / "data"),
            sources=sources,
            phase=run.phase,
            profile=run.arguments.profile,
        )
    run.write_json("statistics.json", dataset.statistics)
    run.say(describe_data(dataset.statistics))
    with run.phase("model_evaluation"):
        metrics = evaluate(Model(load_model(folder), config, items), dataset)
        run.write_json("metrics.json", metrics)
        run.say(describe_metrics(metrics))


if __name__ == "__main__":
    exit_with(run_job("evaluate", run_evaluate))
