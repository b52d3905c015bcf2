"""Settings that look like secrets, which no file that a run leaves may hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MASK = "***"
PATTERN = (
    r"(?i)secret|passw|pwd|token|credential|(access|account|private|api|encryption)[.\-_]?key|(?<![a-z])sas(?![a-z])"
)
_SECRET = re.compile(PATTERN)


def masked(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with the values of those hidden whose names look like secrets'."""
    return {key: MASK if _SECRET.search(key) else value for key, value in properties.items()}


def secrets_in(properties: dict[str, Any]) -> dict[str, Any]:
    """Those whose names look like secrets'."""
    return {key: value for key, value in properties.items() if _SECRET.search(key)}


def masked_words(words: Sequence[str]) -> list[str]:
    """Words of a command line, those of the form key=value as `masked` has properties."""
    found = [re.match(r"(?:--\w+=)?([\w.-]+)=", word) for word in words]
    return [
        f"{one[0]}{MASK}" if one and _SECRET.search(one[1]) else word for one, word in zip(found, words, strict=True)
    ]


def unmasked(properties: dict[str, Any]) -> dict[str, Any]:
    """Those of which the values are still there: the others must be given again."""
    return {key: value for key, value in properties.items() if value != MASK}
