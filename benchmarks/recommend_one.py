"""One recommendation from a saved model: by its NumPy scorer, and by Keras, each in a process of its own.

    .venv/bin/python benchmarks/recommend_one.py RUN [--users 500]

Prints seconds to load, resident memory after it, and the p50 and p99 of recommending ten movies to a user with 30
ratings.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

WARM_UP, RATINGS = 100, 30


def by_numpy(run: str) -> tuple[list[Any], Callable[[dict[Any, float]], object]]:
    """The movies, and what recommends."""
    import recsys

    recommender = recsys.load_recommender(run)
    return recommender.items.tolist(), lambda ratings: recommender.recommend(ratings, 10)


def by_keras(run: str) -> tuple[list[Any], Callable[[dict[Any, float]], object]]:
    """The same by model.keras, for users' rating arrays."""
    import numpy as np

    import recsys
    from recsys.evaluation.topk import top_n
    from recsys.tensorflow_env import quiet_keras

    recommender = recsys.load_recommender(run)  # movies and scaling
    model = quiet_keras().models.load_model(Path(run) / "model" / "model.keras", compile=False)

    def recommend(ratings: dict[Any, float]) -> object:
        matrix = recommender.matrix(ratings)
        scores = np.asarray(model(recommender.preprocessing.scale(matrix).toarray(), training=False))
        return [recommender.describe(int(index), float(scores[0, index])) for index in top_n(scores, matrix, 10)[0]]

    return recommender.items.tolist(), recommend


WAYS = {"NumPy": by_numpy, "Keras": by_keras}


def measure(way: str, run: str, users: int) -> dict[str, float]:
    """In this process."""
    clock = time.perf_counter()
    movies, recommend = WAYS[way](run)
    load, memory = time.perf_counter() - clock, psutil.Process().memory_info().rss
    draw, seconds = random.Random(1), []
    for _ in range(WARM_UP + users):
        ratings = {movie: float(draw.randint(3, 5)) for movie in draw.sample(movies, RATINGS)}
        clock = time.perf_counter()
        recommend(ratings)
        seconds.append(time.perf_counter() - clock)
    seconds = sorted(seconds[WARM_UP:])
    at = {"p50_ms": 0.5, "p99_ms": 0.99}
    quantiles = {name: 1000 * seconds[int(part * (users - 1))] for name, part in at.items()}
    return {"load_s": load, "rss_mb": memory / 1e6, **quantiles}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.run, options.users)))
        return
    for way in WAYS:
        command = [sys.executable, __file__, options.run, "--users", str(options.users), "--way", way]
        figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(f"{way:<6}" + "".join(f"  {name} {value:>9.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
