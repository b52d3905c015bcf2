"""What the screen says: of files and their rows, of movies' arrays, and the figures of users fitted anew."""

from __future__ import annotations

from recsys.training.history import Epoch
from recsys.training.loop import Progress
from spark_jobs.run.messages import Lines, describe_data, describe_metrics, describe_test_file

RANKING = {"users": 3, "model": {"coverage@20": 0.5}, "popularity": {"coverage@20": 0.25}}
RECONSTRUCTION = {"loss": "masked_mse", "train": 0.02, "test": 0.03, "divergence": 0.5}


def test_fewer_rows_than_a_data_set_has_are_said() -> None:
    told = {
        "ratings": 8, "movies": 2, "users": 4, "density": 1.0, "rejected": {}, "rows_read": 1000, "rows_expected": 1000,
        "feedback": "ratings", "positive_from": None, "not_rated": 0, "merged": 0,
        "not_selected": {"below_positive": 0, "outside_years": 992, "outside_sample": 0},
        "movies_file": {"rejected": {}, "undecodable_titles": 0},
    }  # fmt: skip
    whole = describe_data(told)
    assert "is the file complete" not in whole
    assert describe_data({**told, "rows_expected": None}) == whole
    cut = describe_data({**told, "rows_expected": 25_000_095})
    assert "1,000 of the data set's 25,000,095 rows were read: is the file complete?" in cut
    # prepared before there were samples
    assert describe_data({**told, "not_selected": {"below_positive": 0, "outside_years": 992}}) == whole


def test_every_row_is_accounted_for_on_the_screen() -> None:
    told = {
        "ratings": 297, "movies": 40, "users": 60, "density": 0.12375, "rows_read": 1000, "rows_expected": None,
        "feedback": "ratings", "positive_from": 4.0, "not_rated": 99, "merged": 0,
        "rejected": {"off_scale": {"count": 1, "examples": [{"file": "r", "row": 7, "field": "rating", "text": "x"}]}},
        "not_selected": {"below_positive": 423, "outside_years": 180, "outside_sample": 0},
        "movies_file": {"rejected": {}, "undecodable_titles": 0},
    }  # fmt: skip
    assert describe_data(told).split("\n") == [
        "1,000 rows: 297 likes (ratings of 4 and more) of 720 ratings of 40 movies by 60 users, density 12.375%",
        "  99 rows say 'not rated'",
        "  180 ratings are of movies outside the years",
        "  rejected as off_scale: 1, first at r row 7 (rating)",
    ]


def test_what_became_of_the_test_file() -> None:
    rejected = {"off_scale": {"count": 1, "examples": [{"file": "t.csv", "row": 6, "text": "1,10,9.0"}]}}
    told = {"rows_read": 7, "used": 4, "not_selected": 2, "repeated": 0, "rejected": rejected}
    assert describe_test_file(told).split("\n") == [
        "4 of 7 rows of data.test_ratings are the test part, 2 not selected",
        "  test rejected as off_scale: 1, first at t.csv row 6",
    ]


def test_an_epoch_counts_what_is_trained_on() -> None:
    epoch = Epoch(2, 0.04, 0.05, seconds=1.0, rows=10, workers=1)
    progress = Progress(epoch, epochs=10, best=epoch, users_per_second=1234.4, seconds_left=61, orientation="movie")
    assert str(progress) == "  epoch  2/10  train 0.04  validation 0.05  1,234 movies/s  1:01 left  best"
    better = Progress(epoch, 10, Epoch(1, 0.06, 0.045, 1.0, 10, 1), 1234.4, 61, "user")
    assert str(better).endswith("1,234 users/s  1:01 left  best 0.045 at 1")


def test_short_epochs_get_two_lines_a_second_and_the_last_one_always() -> None:
    said: list[str] = []
    now = iter([0.0, 0.1, 0.3, 0.6, 0.7])
    lines = Lines(said.append, lambda: next(now))
    for epoch in ("one", "two", "three", "four", "five"):
        lines.add(epoch)
    assert said == ["one", "four"]
    lines.end()
    lines.end()
    assert said == ["one", "four", "five"]


def test_users_fitted_anew_are_told_beside_the_model_where_there_are_any() -> None:
    one, other = {"rmse": 0.85, "mae": 0.67}, {"rmse": 0.91, "mae": 0.72}
    baselines = {name: other for name in ("user_movie_bias", "movie_mean", "global_mean")}
    ratings = {"ratings": 7, "model": one, "fold_in": {"rmse": 0.84, "mae": 0.66}, **baselines}
    metrics = {"reconstruction": RECONSTRUCTION, "rating_prediction": ratings, "ranking": RANKING}
    lines = describe_metrics(metrics).split("\n")
    assert [line.split() for line in lines[2:4]] == [["model", "0.8500", "0.6700"], ["fold", "in", "0.8400", "0.6600"]]
    del ratings["fold_in"]
    assert "fold in" not in describe_metrics(metrics)
