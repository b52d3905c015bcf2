"""Movies by their titles as people type them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from recsys.errors import UserError

_YEAR = re.compile(r"\s*\((\d{4})[^()]*\)\s*$")
_ARTICLE = re.compile(r"^(.*), (the|a|an|le|la|les|il|der|die|das|el)$")


def parse_ratings(text: str) -> list[tuple[str, float]]:
    """`Title=4.5, Another, The (1999)=3` as (title, rating) pairs; commas within titles are fine."""
    pairs = []
    # a rating ends a pair: what lies between two of them is a title, commas and all
    for match in re.finditer(r"\s*(.+?)\s*=\s*([^,=\s]+)\s*(?:,|$)", text):
        title, number = match.groups()
        try:
            pairs.append((title, float(number)))
        except ValueError:
            raise UserError(
                f"--ratings: {number!r} behind {title!r} is no number: write 'Title=4.5, Title=3'"
            ) from None
    if not pairs or re.sub(r"\s", "", text).count("=") < 1:
        raise UserError(f"--ratings {text!r}: write 'Movie title=4.5, Another title=3'")
    rest = re.sub(r"\s*(.+?)\s*=\s*([^,=\s]+)\s*(?:,|$)", "", text).strip()
    if rest:
        raise UserError(f"--ratings: no rating behind {rest!r}: write 'Title=4.5'")
    return pairs


def find_title(wanted: str, titles: Sequence[str], popularity: Sequence[int]) -> int:
    """The index of the movie meant: the title but for its case, then its article, at last its year.

    Of several that fit the one with the most ratings. Raises UserError with the nearest titles where none fits.
    """
    keys = [title.casefold().strip() for title in titles]
    for form in (str, _plain_with_year, _without_year, _plain):
        key = form(wanted.casefold().strip())
        matches = [index for index, title in enumerate(keys) if form(title) == key]
        if matches:
            return max(matches, key=lambda index: (popularity[index], -index))
    names = {_plain(key): title for key, title in zip(keys, titles, strict=True)}
    near = difflib.get_close_matches(_plain(wanted.casefold().strip()), names, n=3, cutoff=0.6)
    hint = "did you mean " + ", or ".join(repr(names[key]) for key in near) + "?" if near else "see items.parquet"
    raise UserError(f"no movie {wanted!r}: {hint}")


def _without_year(title: str) -> str:
    return _YEAR.sub("", title)


def _plain_with_year(title: str) -> str:
    year = _YEAR.search(title)
    return f"{_plain(title)} ({year.group(1)})" if year else _plain(title)


def _plain(title: str) -> str:
    """Without year and article: 'matrix, the (1999)' and 'the matrix' are both 'matrix'."""
    bare = _YEAR.sub("", title)
    moved = _ARTICLE.match(bare)
    bare = moved.group(1) if moved else re.sub(r"^(the|a|an|le|la|les|il|der|die|das|el) ", "", bare)
    return re.sub(r"[^\w]+", " ", bare).strip()
