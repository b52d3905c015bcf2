"""What a setting may be in a search: a range on a scale, or one of several choices."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from recsys.config.table import Complaint, Table, key

Scalar = bool | int | float | str


class Range(Table):
    """All numbers from low to high, both inclusive."""

    low: float = key(..., "lowest value")
    high: float = key(..., "highest value")
    scale: Literal["linear", "log", "reverse_log"] = key(
        "linear",
        "how the range is looked through. linear: evenly; log: finely near the lower end; reverse_log: finely near the "
        "upper end, as high + low - exp(u)",
    )
    type: Literal["float", "int"] = key("float", "int: whole numbers alone")

    def complaints(self) -> Iterator[Complaint]:
        """An empty range, a logarithm of 0, and ends that are no whole numbers where these are asked for."""
        if self.low >= self.high:
            yield ("low", "high"), f"the range is empty: low = {self.low:g} must be less than high = {self.high:g}"
        if self.scale != "linear" and self.low <= 0:
            yield ("low", "scale"), f"scale = {self.scale!r} needs low above 0, not {self.low:g}"
        if self.type == "int" and not (self.low.is_integer() and self.high.is_integer()):
            yield ("low", "high", "type"), f"type = 'int' needs whole numbers, not {self.low:g} and {self.high:g}"

    @property
    def ends(self) -> tuple[Scalar, Scalar]:
        """The lowest and the highest value."""
        return self.value(self.low), self.value(self.high)

    def value(self, number: float) -> int | float:
        """The number as a setting: rounded where the range is of whole numbers."""
        return round(number) if self.type == "int" else float(number)

    def mirrored(self, number: float) -> float:
        """The number seen from the other end: a reverse_log scale is the log scale of these."""
        return self.low + self.high - number

    def place(self, value: float) -> float:
        """Where the value lies in the range on its scale: 0 is low, 1 is high."""
        if self.scale == "reverse_log":
            return 1 - _log_place(self.mirrored(value), self.low, self.high)
        if self.scale == "log":
            return _log_place(value, self.low, self.high)
        return (value - self.low) / (self.high - self.low)

    def at(self, place: float) -> int | float:
        """The value that lies there: the reverse of `place`."""
        if self.scale == "reverse_log":
            return self.value(self.mirrored(_log_at(1 - place, self.low, self.high)))
        if self.scale == "log":
            return self.value(_log_at(place, self.low, self.high))
        return self.value(self.low + place * (self.high - self.low))

    def contains(self, value: Any) -> bool:
        """Whether the value is a number of the range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (self.type == "float" or float(value).is_integer())


class Choices(Table):
    """One of several values, without an order."""

    choices: tuple[Scalar | tuple[Scalar, ...], ...] = key(..., "the values: numbers, texts, or lists of them")

    def complaints(self) -> Iterator[Complaint]:
        """Nothing to choose from, or a value that is given twice."""
        labels = self.labels
        if not labels:
            yield ("choices",), "choices is empty: give at least one value"
        if twice := [label for number, label in enumerate(labels) if label in labels[:number]]:
            yield ("choices",), f"choices has {twice[0]} twice"

    @property
    def labels(self) -> list[str]:
        """The choices as texts, in order: how a study names them."""
        return [label_of(choice) for choice in self.choices]

    def value(self, label: str) -> Any:
        """The choice of that label; of a list a list."""
        choice = self.choices[self.labels.index(label)]
        return list(choice) if isinstance(choice, tuple) else choice

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the choices."""
        return label_of(value) in self.labels


Space = Mapping[str, Range | Choices]
"""What is searched: a range or choices for each key of the settings, such as "model.l2"."""


def label_of(value: Any) -> str:
    """A setting as a text: a text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _log_place(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low)


def _log_at(place: float, low: float, high: float) -> float:
    return high if place >= 1 else max(low * math.exp(place * math.log(high / low)), low)
