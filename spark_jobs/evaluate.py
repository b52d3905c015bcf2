"""Evaluate a trained model anew, on the test users or ratings that it was never shown."""

from __future__ import annotations

from recsys.data.dataset import Dataset
from recsys.data.examples import Examples
from recsys.data.store import free_settings, with_prepared_data
from recsys.errors import UserError
from recsys.evaluation.evaluate import evaluate
from recsys.recommend.lookup import sources_of
from recsys.recommend.recommender import load_model, load_recommender
from spark_jobs._fit import arrange, to_judge
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_metrics, describe_source
from spark_jobs.run.trained_run import run_of


def run_evaluate(run: Run) -> None:
    """The data phases, and the phase model_evaluation."""
    options, config = run.arguments.options, run.config
    folder = run_of(options.model)
    movies = load_recommender(folder / "model").items
    if options.prepared:
        config = with_prepared_data(config, frozenset(), options.prepared)
    spark = run.session()
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
    _check(dataset, movies.tolist(), str(folder))
    examples = Examples.of(config, dataset.movies, dataset.preprocessing, test_entries=dataset.test_entries)
    with run.phase("model_evaluation"):
        model = load_model(folder)
        arrays, parts = arrange(config, dataset, examples)
        shared, judged, _ = to_judge(model, config, dataset, examples, arrays, parts)
        metrics = evaluate(parts, shared, arrays.examples, config, judged)
        run.write_json("metrics.json", metrics)
        run.say(describe_metrics(metrics))


def _check(dataset: Dataset, movies: list[object], folder: str) -> None:
    found = dataset.items["movie_id"].tolist()
    if found != movies:
        raise UserError(
            f"{folder} was trained on other data: it has {len(movies):,} movies, the data {len(found):,}, or others; "
            "give the data that it was trained on"
        )


if __name__ == "__main__":
    exit_with(run_job("evaluate", run_evaluate))
