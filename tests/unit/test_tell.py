"""What the screen says: of files and their rows, of movies' arrays, and the figures of users fitted anew."""

from __future__ import annotations

from types import SimpleNamespace

from spark_jobs.run.messages import describe_data, describe_epoch, describe_metrics, describe_test_file

RANKING = {"users": 3, "model": {"coverage@20": 0.5}, "popularity": {"coverage@20": 0.25}}
RECONSTRUCTION = {"loss": "masked_mse", "train": 0.02, "test": 0.03, "divergence": 0.5}


def test_fewer_rows_than_a_data_set_has_are_said() -> None:
    told = {
        "ratings": 8, "movies": 2, "users": 4, "density": 1.0, "rejected": {}, "rows_read": 1000, "rows_expected": 1000,
        "movies_file": {"rejected": {}, "undecodable_titles": 0},
    }  # fmt: skip
    whole = describe_data(told)
    assert "is the file complete" not in whole
    assert describe_data({**told, "rows_expected": None}) == whole
    cut = describe_data({**told, "rows_expected": 25_000_095})
    assert cut.endswith("1,000 of the data set's 25,000,095 rows were read: is the file complete?")


def test_what_became_of_the_test_file() -> None:
    rejected = {"off_scale": {"count": 1, "examples": [{"file": "t.csv", "row": 6, "text": "1,10,9.0"}]}}
    told = {"rows_read": 7, "used": 4, "not_selected": 2, "repeated": 0, "rejected": rejected}
    assert describe_test_file(told).split("\n") == [
        "4 of 7 rows of data.test_ratings are the test part, 2 not selected",
        "  test rejected as off_scale: 1, first at t.csv row 6",
    ]


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
