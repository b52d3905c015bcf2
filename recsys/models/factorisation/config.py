"""What the tables of all families of factorisation have."""

from __future__ import annotations

from recsys.config.model import ModelConfig
from recsys.config.table import key


class FactorConfig(ModelConfig):
    """The keys that are the same everywhere."""

    factors: int = key(64, "length of users' and movies' vectors, beside biases", "factors", ge=1)
    export: bool = key(
        True,
        "when training is over users' and movies' vectors are also written for other programs, as .npy and Parquet, "
        "below model/factors; all users are solved for once more",
    )
