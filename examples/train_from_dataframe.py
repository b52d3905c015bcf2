"""Train on a Spark DataFrame with column names of your own, evaluate, recommend, and load the model without Spark.

python examples/train_from_dataframe.py
"""

from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd

import recsys


def made_up_ratings(users: int = 300, movies: int = 60, each: int = 15) -> pd.DataFrame:
    """Users of two tastes: one likes the first half of the movies, the other the second half."""
    draw = np.random.default_rng(7)
    rows = []
    for user in range(users):
        taste = user % 2
        for movie in draw.choice(movies, each, replace=False):
            liked = (movie < movies // 2) == (taste == 0)
            rows.append((f"customer-{user}", int(movie), float(draw.integers(4, 6) if liked else draw.integers(1, 4))))
    return pd.DataFrame(rows, columns=["customer", "film", "stars"])


def main() -> None:
    spark = recsys.local_session(2)
    ratings = spark.createDataFrame(made_up_ratings())
    data = recsys.Dataset.from_dataframe(ratings, user="customer", movie="film", rating="stars", positive_from=4.0)
    print(data)

    config = recsys.load_config(
        assignments=[
            "model.loss=multinomial",
            "model.hidden=[16]",
            "model.input_normalisation=l2",
            "training.epochs=20",
        ]
    )
    model = recsys.fit(data, config, on_progress=print)
    print(recsys.evaluate(model, data)["ranking"]["model"])

    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        recommender = recsys.load_recommender(folder)  # needs neither Spark nor TensorFlow
    for movie in recommender.recommend({3: 5.0, 8: 4.0, 21: 5.0}, n=5):
        print(f"film {movie['movie_id']:>2}  {movie['score']:.3f}")
    spark.stop()


if __name__ == "__main__":
    main()
