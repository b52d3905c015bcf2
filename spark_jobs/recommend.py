"""Recommend movies with a trained model, to a user of its data or, without Spark, to someone new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys.errors import UserError
from recsys.recommend import load_recommender, recommendation, render
from recsys.recommend.lookup import user_in_data, user_in_prepared
from recsys.recommend.titles import find_title, parse_ratings
from recsys.settings import load_config
from spark_jobs._job import Run, exit_with, run_job


def run_recommend(run: Run) -> None:
    """The user's ratings, then the model's answer on the screen and, with --output, in recommendations.json."""
    options = run.arguments.options
    user, ratings = _user(run, options)  # before the model: what is not there is said at once
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
    found = recommendation(recommender, user, ratings, options.top)
    run.write_json("recommendations.json", found)
    run.say(render(found))


def _user(run: Run, options: Any) -> tuple[Any, dict[Any, float]]:
    """The user's id and ratings as the data has them; for someone new neither."""
    if options.ratings:
        return None, {}
    if options.prepared:
        return user_in_prepared(options.prepared, options.user)
    model = Path(options.model).resolve()
    folder = model.parent if (model / "preprocessing.json").exists() else model
    if not (folder / "config.toml").exists():
        raise UserError(f"{folder} has no config.toml that names the model's data: give --prepared DIR or --ratings")
    return user_in_data(run.session(), load_config([folder / "config.toml"]).data, folder / "data", options.user)


if __name__ == "__main__":
    exit_with(run_job("recommend", run_recommend))
