"""Ids as integers or text: integers where writing them back gives the same text, so that no two ids become one."""

from __future__ import annotations

import re
from collections.abc import Sequence

# the same in SQL's and NumPy's readers: no leading zeros, no plus; a whole number with decimals of zero is that number
INTEGER_PATTERN = r"(?:0|-?[1-9][0-9]*)(?:\.0+)?"
# what stands for no id, in any case: as databases, R and pandas write it
NO_ID_PATTERN = r"(?i)(?:null|nan|<na>|\\n)"
LIKE_AN_INTEGER = r"[+-]?[0-9]+(?:\.0+)?"
_INTEGER, _LIKE_AN_INTEGER = re.compile(INTEGER_PATTERN), re.compile(LIKE_AN_INTEGER)
_CODE = re.compile(r"[\w.:-]*[0-9][\w.:-]*")  # text that may be an id, such as an ISBN that ends in X
_NO_ID = re.compile(NO_ID_PATTERN)
_CODES = 0.002  # of the ids: fewer of them are bad rows


def are_integers(values: Sequence[str]) -> bool:
    """Whether ids that look like `values` are integers; a few that do not parse are bad rows, not another type.

    Leading zeros or a plus in one of them make all of them text: `01` and `1` are two ids. So do codes such as
    `15506122X`, where they are more than 1 of 500.
    """
    values = [value for value in values if not _NO_ID.fullmatch(value)]
    if not values:
        return True
    if any(_LIKE_AN_INTEGER.fullmatch(value) and not _INTEGER.fullmatch(value) for value in values):
        return False
    others = [value for value in values if not _is_integer(value)]
    codes = sum(_CODE.fullmatch(value) is not None for value in others)
    return len(others) <= 0.1 * len(values) and codes <= _CODES * len(values)


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text.partition(".")[0]) < 2**63
