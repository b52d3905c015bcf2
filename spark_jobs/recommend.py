"""Recommend movies with a trained model, to one user, to every user or, without Spark, to someone new."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.config import Config
from recsys.errors import UserError
from recsys.recommend.sample import recommendation, render
from recsys.recommend.saved import load_recommender
from recsys.recommend.titles import find_title, parse_ratings
from spark_jobs.common import Run, exit_with, run_job
from spark_jobs.launcher.lock import alone
from spark_jobs.run.messages import describe_data, describe_source
from spark_jobs.run.resume import SCHEME
from spark_jobs.run.trained_run import config_of, run_of

if TYPE_CHECKING:  # imported late: given ratings need no Spark
    from pyspark.sql import SparkSession

    from recsys.data.dataset import Dataset


def run_recommend(run: Run) -> None:
    """Recommends to one user, on the screen and with --output in recommendations.json, or to all users, as Parquet."""
    options = run.arguments.options
    if options.all:
        _recommend_to_all(run, options)
        return
    user, ratings = _user(run, options)  # before the model: an unknown user is refused at once
    recommender = load_recommender(options.model)
    movies = recommender.items.tolist()
    if options.ratings:
        titles, popularity = recommender.titles.tolist(), recommender.popularity.tolist()
        for title, rating in parse_ratings(options.ratings):
            ratings[movies[find_title(title, titles, popularity)]] = rating
    known = set(movies)
    ratings = {movie: rating for movie, rating in ratings.items() if movie in known}
    if not ratings:
        raise UserError(f"user {user} rated none of the model's {len(known):,} movies: name another, or give --ratings")
    result = recommendation(recommender, user, ratings, options.top)
    run.write_json("recommendations.json", result)
    run.say(render(result))


def _recommend_to_all(run: Run, options: Any) -> None:
    """Recommends to every user of the prepared data, or of the data that the model's own settings name."""
    with _alone_in(options.output):  # a folder that cannot be written to is refused before the data phases
        _rank_all(run, options)


def _rank_all(run: Run, options: Any) -> None:
    from recsys.recommend.batch import Ranker, check_output, fingerprint, movie_index, recommend_to_all
    from recsys.registries import FAMILIES
    from recsys.workers import ship_source

    folder = run_of(options.model)
    config = config_of(folder)
    spark = run.session()
    check_output(spark, options.output)
    recommender = load_recommender(options.model)
    dataset = _ratings_of_all(run, spark, options.prepared, config, folder)
    run.say(describe_data(dataset.statistics))
    index = movie_index(recommender.items, dataset.items["movie_id"].to_numpy())
    if index is not None and (unknown := int((index < 0).sum())):
        run.say(f"  {unknown:,} movies of the data are unknown to the model: their ratings are ignored")
    for module in FAMILIES.get(config.model.kind).modules(config.model):
        ship_source(spark.sparkContext, module)
    ranker = Ranker(recommender.scorer, recommender.items, index, options.top)
    users = int(dataset.statistics["users"])
    plan = {"model": _fingerprint(folder), "top": options.top, "ratings": fingerprint(dataset.blocks)}
    run.say(f"the {options.top} best of {len(recommender.items):,} movies for {users:,} users")
    recommend_to_all(dataset.blocks, ranker, users, options.output, plan, run.say)
    run.say(f"user, rank, movie, score: {options.output}")


def _ratings_of_all(run: Run, spark: SparkSession, directory: str | None, config: Config, folder: Path) -> Dataset:
    """All ratings, also those that a model of likes was not trained on: a disliked movie was seen, too."""
    from recsys.data import dataset as datasets
    from recsys.recommend.lookup import sources_of

    if directory:
        with run.phase("data_loading"):
            return datasets.Dataset.load(spark, directory, test_ratings=None)
    data = config.data.model_copy(update={"positive_from": None, "test_ratings": None, "split": "user"})
    run.say(describe_source(data))
    sources = sources_of(spark, data, folder / "data")
    return datasets.Dataset.from_config(spark, data, sources=sources, phase=run.phase)


def _alone_in(output: str) -> AbstractContextManager[None]:
    """Locks a directory against other calls; on other file systems nothing is locked."""
    if SCHEME.match(output):
        return nullcontext()
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written: {error.strerror}") from None
    return alone(Path(output))


def _user(run: Run, options: Any) -> tuple[Any, dict[Any, float]]:
    """The user's id and ratings in the data; None and no ratings for a new user."""
    if options.ratings:
        return None, {}
    from recsys.recommend.lookup import user_in_data, user_in_prepared

    if options.prepared:
        return user_in_prepared(options.prepared, options.user)
    folder = run_of(options.model)
    config = config_of(folder, "give --prepared DIR or --ratings")
    recommender = load_recommender(options.model)
    known = recommender.preprocessing
    integer_movies = recommender.items.dtype.kind in "iu"
    scale = known.rating_min, known.rating_max
    return user_in_data(run.session(), config.data, folder / "data", options.user, integer_movies, scale)


def _fingerprint(folder: Path) -> str:
    """A checksum of the model's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in (folder / "model").rglob("*") if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    exit_with(run_job("recommend", run_recommend))
