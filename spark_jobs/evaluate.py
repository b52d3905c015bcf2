"""Evaluate a trained model anew, on the test users or ratings that it was never shown."""

from __future__ import annotations

from recsys.data.examples import Examples, Preprocessing
from recsys.data.ingest.pipeline import Prepared, prepare
from recsys.data.split_file import find_test_entries
from recsys.data.store import load_prepared, with_prepared_data
from recsys.errors import UserError
from recsys.evaluation.evaluate import evaluate
from recsys.recommend.lookup import sources_of
from recsys.recommend.recommender import load_model, load_recommender
from spark_jobs._fit import arrange, to_judge
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import describe_data, describe_metrics, describe_source, report_test_file
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
            prepared = load_prepared(spark, options.prepared)
    else:
        run.say(describe_source(config.data))
        sources = sources_of(spark, config.data, folder / "data")
        prepared = prepare(spark, sources, config.data, run.phase, run.arguments.profile)
    run.write_json("statistics.json", prepared.statistics)
    run.say(describe_data(prepared.statistics))
    _check(prepared, movies.tolist(), str(folder))
    preprocessing = Preprocessing(prepared.rating_min, prepared.rating_max, prepared.positive_from)
    folders = config.data.data_dir or "", str(folder / "data")
    entries, test_file = find_test_entries(spark, config.data, prepared, *folders)
    report_test_file(run, prepared.statistics, test_file)
    examples = Examples.of(config, prepared.movies, preprocessing, test_entries=entries)
    with run.phase("model_evaluation"):
        model = load_model(folder)
        arrays, parts = arrange(config, prepared, examples)
        shared, judged, _ = to_judge(model, config, prepared, examples, arrays, parts)
        metrics = evaluate(parts, shared, arrays.examples, config, judged)
        run.write_json("metrics.json", metrics)
        run.say(describe_metrics(metrics))


def _check(prepared: Prepared, movies: list[object], folder: str) -> None:
    found = prepared.items["movie_id"].tolist()
    if found != movies:
        raise UserError(
            f"{folder} was trained on other data: it has {len(movies):,} movies, the data {len(found):,}, or others; "
            "give the data that it was trained on"
        )


if __name__ == "__main__":
    exit_with(run_job("evaluate", run_evaluate))
