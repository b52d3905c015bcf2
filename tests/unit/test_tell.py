"""What the screen says of movies' arrays: their own words, and the figures of users fitted anew."""

from __future__ import annotations

from types import SimpleNamespace

from spark_jobs._tell import describe_epoch, describe_metrics

RANKING = {"users": 3, "model": {"coverage@20": 0.5}, "popularity": {"coverage@20": 0.25}}
RECONSTRUCTION = {"loss": "masked_mse", "train": 0.02, "test": 0.03, "divergence": 0.5}


def test_an_epoch_counts_what_is_trained_on() -> None:
    epoch = SimpleNamespace(epoch=2, train_loss=0.04, validation_loss=0.05)
    progress = SimpleNamespace(epoch=epoch, epochs=10, best=epoch, users_per_second=1234.4, seconds_left=61)
    expected = "  epoch  2/10  train 0.04  validation 0.05  1,234 movies/s  1:01 left  best"
    assert describe_epoch(progress, "movie") == expected


def test_users_fitted_anew_are_told_beside_the_model_where_there_are_any() -> None:
    one, other = {"rmse": 0.85, "mae": 0.67}, {"rmse": 0.91, "mae": 0.72}
    baselines = {name: other for name in ("user_movie_bias", "movie_mean", "global_mean")}
    ratings = {"ratings": 7, "model": one, "fold_in": {"rmse": 0.84, "mae": 0.66}, **baselines}
    metrics = {"reconstruction": RECONSTRUCTION, "rating_prediction": ratings, "ranking": RANKING}
    lines = describe_metrics(metrics).split("\n")
    assert [line.split() for line in lines[2:4]] == [["model", "0.8500", "0.6700"], ["fold", "in", "0.8400", "0.6600"]]
    del ratings["fold_in"]
    assert "fold in" not in describe_metrics(metrics)
