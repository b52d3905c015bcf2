"""Train an autoencoder on ratings, evaluate it, recommend with it, and record what every phase cost."""

from __future__ import annotations

from typing import Any

import monitor
from recsys.config.load import write_config
from recsys.data.examples import Examples, Preprocessing
from recsys.data.ingest.pipeline import Prepared, prepare
from recsys.data.sources.files import find_sources, find_test_source
from recsys.data.split_file import find_test_entries
from recsys.data.store import load_prepared, with_prepared_data
from recsys.evaluation.evaluate import evaluate
from recsys.recommend.recommender import load_recommender
from recsys.recommend.sample import find_user, recommendation, render, sample_user
from spark_jobs._fit import fit
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.memory_check import check_memory_early
from spark_jobs.run.messages import describe_data, describe_metrics, describe_source, report_test_file


def run_train(run: Run) -> None:
    """The nine phases."""
    config = run.config
    directory = run.arguments.options.prepared
    if directory:
        config = with_prepared_data(config, run.arguments.given, directory)
        write_config(config, run.path / "config.toml")
    spark = run.session()
    prepared = _data(run, spark, config, directory)
    run.write_json("statistics.json", prepared.statistics)
    run.say(describe_data(prepared.statistics))

    preprocessing = Preprocessing(prepared.rating_min, prepared.rating_max, prepared.positive_from)
    folders = config.data.data_dir or "", str(run.path / "data")
    test_entries, test_file = find_test_entries(spark, config.data, prepared, *folders)
    report_test_file(run, prepared.statistics, test_file)
    examples = Examples.of(config, prepared.movies, preprocessing, test_entries=test_entries)
    wanted = config.recommend.user_id
    # looked up before training, which an unknown user id would make vain
    user = sample_user(prepared.blocks, examples, config.seed) if wanted is None else find_user(prepared.blocks, wanted)

    with run.phase("model_training"):
        fitted = fit(run, config, prepared, examples, preprocessing)
    run.draw("the loss curve", lambda: monitor.plot_losses(run.path))  # what drawing costs is no phase's

    with run.phase("model_evaluation"):
        metrics: dict[str, Any] = {"epoch": fitted.ended.epoch}
        metrics |= evaluate(fitted.parts, fitted.shared, fitted.examples, config, fitted.judged)
        metrics["best_reachable_rmse"] = prepared.statistics.get("best_reachable_rmse")
        run.write_json("metrics.json", metrics)
        run.say(describe_metrics(metrics))

    with run.phase("recommendation_testing"):
        recommender = load_recommender(run.path / "model")
        ratings = dict(zip(recommender.items[user.indices].tolist(), user.ratings.tolist(), strict=True))
        found = recommendation(recommender, user.user, ratings, config.recommend.n)
        run.write_json("recommendations.json", found)
        run.say(render(found))
    from recsys.training.loop import forget_checkpoints  # late: it brings TensorFlow

    forget_checkpoints(run.path)


def _data(run: Run, spark: Any, config: Any, directory: str | None) -> Prepared:
    if directory:
        with run.phase("data_loading"):
            return load_prepared(spark, directory)
    run.say(describe_source(config.data))
    folders = config.data.data_dir or "", str(run.path / "data")
    sources = find_sources(spark, config.data, *folders)
    check_memory_early(config, spark.sparkContext, sources.size)
    find_test_source(spark, config.data, *folders)  # one that is missing is told before the work
    return prepare(spark, sources, config.data, run.phase, run.arguments.profile)


if __name__ == "__main__":
    exit_with(run_job("train", run_train))
