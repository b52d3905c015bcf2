"""A small file of ratings, and settings that take it."""

from __future__ import annotations

import random
from pathlib import Path

SETTINGS = """
[data]
ratings = "ratings.csv"

[model]
loss = "masked_mse"
hidden = [8]

[training]
epochs = 1
batch_size = 16
"""


def make_small_ratings(folder: Path) -> Path:
    """Makes the folder with ratings.csv and small.toml in it."""
    folder.mkdir()
    draw = random.Random(3)
    rows = [
        f"{user},{movie},{draw.randint(1, 10) / 2},1" for user in range(120) for movie in draw.sample(range(40), 12)
    ]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows, ""]))
    (folder / "small.toml").write_text(SETTINGS)
    return folder
