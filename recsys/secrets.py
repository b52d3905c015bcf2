"""Settings that look like secrets, which no file that a run leaves may hold."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"
PATTERN = r"(?i)secret|passw|token|credential|(access|account|private|api)[.\-_]?key"
_SECRET = re.compile(PATTERN)


def masked(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with the values of those hidden whose names look like secrets'."""
    return {key: MASK if _SECRET.search(key) else value for key, value in properties.items()}


def unmasked(properties: dict[str, Any]) -> dict[str, Any]:
    """Those of which the values are still there: the others must be given again."""
    return {key: value for key, value in properties.items() if value != MASK}
