"""Ids as integers or text: integers where writing them back gives the same text, so that no two ids become one."""

from __future__ import annotations

import re
from collections.abc import Sequence

# the same in SQL's and NumPy's readers: no leading zeros, no plus; a whole number with decimals of zero is that number
INTEGER_PATTERN = r"(?:0|-?[1-9][0-9]*)(?:\.0+)?"
LIKE_AN_INTEGER = r"[+-]?[0-9]+(?:\.0+)?"
_INTEGER, _LIKE_AN_INTEGER = re.compile(INTEGER_PATTERN), re.compile(LIKE_AN_INTEGER)


def are_integers(values: Sequence[str]) -> bool:
    """Whether ids that look like `values` are integers; a few that do not parse are bad rows, not another type.

    Leading zeros or a plus in one of them make all of them text: `01` and `1` are two ids.
    """
    if not values:
        return True
    if any(_LIKE_AN_INTEGER.fullmatch(value) and not _INTEGER.fullmatch(value) for value in values):
        return False
    bad = sum(not _is_integer(value) for value in values)
    return bad <= 0.1 * len(values)


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text.partition(".")[0]) < 2**63
