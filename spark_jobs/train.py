"""Train an autoencoder on ratings, evaluate it, recommend with it, and record what every phase cost."""

from __future__ import annotations

from typing import Any

from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.run.messages import Lines, describe_data, describe_metrics
from spark_jobs.run.prepared import settings_of


def run_train(run: Run) -> None:
    """The nine phases."""
    config, directory = settings_of(run), run.arguments.options.prepared
    spark = run.session()
    from recsys.api import evaluate, fit
    from recsys.arranged import examples_of
    from recsys.recommend.sample import find_user, recommendation, render, sample_user
    from recsys.recommend.saved import load_recommender
    from recsys.training.loop import forget_checkpoints
    from spark_jobs.run.data import load_dataset
    from spark_jobs.run.memory_check import check_memory

    dataset = load_dataset(run, spark, config, directory)
    run.write_json("statistics.json", dataset.statistics)
    run.say(describe_data(dataset.statistics))

    examples = examples_of(dataset, config)
    wanted = config.recommend.user_id
    # looked up before training, which an unknown user id would make vain
    user = sample_user(dataset.blocks, examples, config.seed) if wanted is None else find_user(dataset.blocks, wanted)

    lines = Lines(run.say)
    with run.phase("model_training"):
        model = fit(
            dataset,
            config,
            output=run.path,
            on_progress=lines.add,
            on_message=run.say,
            before_training=check_memory,
        )
    lines.end()
    if model.stopped:
        run.stopped(model.stopped)
    run.draw("the loss curve", lambda: _plot_losses(run))  # what drawing costs is no phase's

    with run.phase("model_evaluation"):
        metrics: dict[str, Any] = {"epoch": model.epoch.epoch if model.epoch else None}
        metrics |= evaluate(model, dataset)
        metrics["best_reachable_rmse"] = dataset.statistics.get("best_reachable_rmse")
        run.write_json("metrics.json", metrics)
        run.say(describe_metrics(metrics))

    with run.phase("recommendation_testing"):
        recommender = load_recommender(run.path / "model")
        ratings = dict(zip(recommender.items[user.indices].tolist(), user.ratings.tolist(), strict=True))
        found = recommendation(recommender, user.user, ratings, config.recommend.n)
        run.write_json("recommendations.json", found)
        run.say(render(found))
    if not model.stopped:
        forget_checkpoints(run.path)


def _plot_losses(run: Run) -> None:
    from spark_jobs.run.report_sections import plot_losses

    plot_losses(run.path)


if __name__ == "__main__":
    exit_with(run_job("train", run_train))
