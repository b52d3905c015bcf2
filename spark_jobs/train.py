"""Train an autoencoder on ratings, evaluate it, recommend with it, and record what every phase cost."""

from __future__ import annotations

import time
from typing import Any

import monitor
from recsys.errors import UserError
from recsys.evaluation import evaluate, quiet_keras, share
from recsys.ratings import (
    TEST,
    TRAIN,
    VALIDATION,
    Examples,
    Prepared,
    Preprocessing,
    deal,
    find_sources,
    load_prepared,
    prepare,
    with_prepared_data,
)
from recsys.recommend import (
    find_user,
    load_recommender,
    recommendation,
    render,
    sample_user,
    save_model,
    save_movies,
)
from recsys.settings import write_config
from spark_jobs._job import Run, exit_with, run_job
from spark_jobs._linear import fit_linear, linear_epoch
from spark_jobs._tell import describe_data, describe_epoch, describe_metrics, describe_source


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
    examples = Examples.of(config, prepared.movies, preprocessing)
    wanted = config.recommend.user_id
    # looked up before training, which an unknown user id would make vain
    user = sample_user(prepared.blocks, examples, config.seed) if wanted is None else find_user(prepared.blocks, wanted)

    with run.phase("model_training"):
        quiet_keras()
        from recsys.models import build_model
        from recsys.training import History, train

        parts = {
            role: deal(prepared.blocks, examples, role, config.training.workers, config.data.block_users)
            for role in (TRAIN, VALIDATION, TEST)
        }
        if not parts[TEST].rows:
            raise UserError("no user is left for the test: raise data.test_fraction, or widen the selection")
        save_movies(run.path / "model", prepared.items, preprocessing, config.model.loss)
        clock = time.monotonic()
        model = build_model(prepared.movies, config.model, config.seed)
        history = History(run.path / "history.csv")
        if config.model.kind == "linear":
            fit_linear(model, parts[TRAIN], examples, config)
            ended = linear_epoch(model, parts, examples, config, clock)
            history.append(ended)
            save_model(run.path / "model", model)
        else:
            ended = train(
                model,
                config,
                examples,
                {role: parts[role] for role in (TRAIN, VALIDATION)},
                history,
                on_epoch=lambda progress: run.say(describe_epoch(progress)),
                on_best=lambda best: save_model(run.path / "model", best),
            )
            if config.model.linear != "none":
                # afterwards: it knows the training users too well, and would leave the deep part nothing to learn
                fit_linear(model, parts[TRAIN], examples, config)
                save_model(run.path / "model", model)
    run.draw("the loss curve", lambda: monitor.plot_losses(run.path))  # what drawing costs is no phase's

    with run.phase("model_evaluation"):
        metrics: dict[str, Any] = {"epoch": ended.epoch}
        metrics |= evaluate(parts, share(spark.sparkContext, model), examples, config)
        metrics["best_reachable_rmse"] = prepared.statistics.get("best_reachable_rmse")
        run.write_json("metrics.json", metrics)
        run.say(describe_metrics(metrics))

    with run.phase("recommendation_testing"):
        recommender = load_recommender(run.path / "model")
        ratings = dict(zip(recommender.items[user.indices].tolist(), user.ratings.tolist(), strict=True))
        found = recommendation(recommender, user.user, ratings, config.recommend.n)
        run.write_json("recommendations.json", found)
        run.say(render(found))


def _data(run: Run, spark: Any, config: Any, directory: str | None) -> Prepared:
    if directory:
        with run.phase("data_loading"):
            return load_prepared(spark, directory)
    run.say(describe_source(config.data))
    sources = find_sources(spark, config.data, config.data.data_dir or "", str(run.path / "data"))
    return prepare(spark, sources, config.data, run.phase, run.arguments.profile)


if __name__ == "__main__":
    exit_with(run_job("train", run_train))
