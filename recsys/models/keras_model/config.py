"""The settings of models from a user's function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from recsys.config.ranges import Choices, Range
from recsys.config.table import Complaint, key
from recsys.models.autoencoder.config import LEARNING, WithLoss


class KerasConfig(WithLoss):
    """kind = "keras": any Keras model from rating arrays (batch, movies) to outputs of the same shape."""

    search: ClassVar[Mapping[str, Range | Choices]] = LEARNING

    kind: str = key("keras", "keras: a Keras model from a function of yours")
    function: str = key(
        "",
        "package.module:name of the function: it gets the number of movies and returns a Keras model, compiled (its "
        "optimizer and loss are used) or not (Adam and model.loss are)",
    )

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        if ":" not in self.function:
            text = f"model.function = {self.function!r}: name the function as package.module:name"
            yield ("model.function",), text
