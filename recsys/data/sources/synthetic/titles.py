"""Titles of generated movies, with the forms that make MovieLens' titles hard to parse.

Plain functions; `titles` runs on the executors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.sources.synthetic.words import ADJECTIVES, FOREIGN, NAMES, NOUNS, PLACES

# How a title ends and what it holds. At scale 1 there are as many of each as in MovieLens 25M, but for the last five,
# which it has once or not at all.
PLAIN, NO_YEAR, TRAILING_BLANK, QUOTED, DOUBLE_BRACKET = 0, 1, 2, 3, 4
YEAR_RANGE, OPEN_RANGE, OPEN_RANGE_HYPHEN, QUOTED_COMMA = 5, 6, 7, 8
_FORMS = ((TRAILING_BLANK, 155), (QUOTED, 11), (DOUBLE_BRACKET, 2), (YEAR_RANGE, 2), (OPEN_RANGE, 2),
          (OPEN_RANGE_HYPHEN, 2), (QUOTED_COMMA, 2))  # fmt: skip


def title_forms(years: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int8]:
    """int8 [movies]: one of the forms for each; every form occurs at every scale.

    The odd endings are for movies of 1981 to 2018, so that nobody's year hangs on how a range is read.
    """
    forms = np.where(years == 0, NO_YEAR, PLAIN).astype(np.int8)
    recent = rng.permutation(np.flatnonzero((years > 1980) & (years < 2019)))
    fraction = len(years) / 62_423
    for form, count in _FORMS:
        n = max(1, round(count * fraction))
        forms[recent[:n]] = form
        recent = recent[n:]
    return forms


def titles(years: NDArray[np.int32], forms: NDArray[np.int8], rng: np.random.Generator) -> list[str]:
    """A title for each movie, in MovieLens' manner: articles behind a comma, the year in brackets at the end."""
    return [_finish(_name(int(form), rng), int(year), int(form)) for year, form in zip(years, forms, strict=True)]


def _name(form: int, rng: np.random.Generator) -> str:
    def pick(words: list[str]) -> str:
        return words[int(rng.integers(len(words)))]

    noun, kind = pick(NOUNS), int(rng.integers(12))
    if form == QUOTED:
        return f'"{pick(ADJECTIVES)} {noun}" of {pick(PLACES)}'
    if form == QUOTED_COMMA:
        return f'{pick(NAMES)} "The {noun}" {pick(NAMES)}, or {pick(ADJECTIVES)} {pick(NOUNS)}'
    if kind < 4:
        core, article = f"{pick(ADJECTIVES)} {noun}", True
    elif kind == 4:
        core, article = f"{noun} of {pick(PLACES)}", True
    elif kind == 5:
        core, article = f"{pick(NAMES)}'s {pick(ADJECTIVES)} {noun}", False
    elif kind == 6:
        core, article = f"{pick(NAMES)} and the {pick(ADJECTIVES)} {noun}", False
    elif kind == 7:
        core, article = f"{noun} in {pick(PLACES)}", rng.random() < 0.5
    elif kind == 8:
        core, article = f"{pick(ADJECTIVES)}, {pick(ADJECTIVES)} {noun}", False
    elif kind == 9:
        core, article = f"{noun}s and {pick(NOUNS)}s: {pick(NAMES)} in {pick(PLACES)}", False
    elif kind == 10:
        core, article = f"{pick(ADJECTIVES)} {noun} {pick(['II', '2', '3', 'Returns', 'Forever', 'Part II'])}", False
    else:
        core, article = f"{pick(NAMES)} & {pick(NAMES)}", False
    if article and rng.random() < 0.25:
        core += ", The" if rng.random() < 0.8 else ", A"
    if rng.random() < 0.04:
        core += f" ({pick(FOREIGN)} {pick(FOREIGN).lower()})"
    elif rng.random() < 0.04:
        core += f" (a.k.a. {pick(ADJECTIVES)} {noun})"
    return core


def _finish(name: str, year: int, form: int) -> str:
    if form == NO_YEAR:
        return name
    endings = {
        TRAILING_BLANK: f"({year}) ",
        DOUBLE_BRACKET: f"({year}))",
        YEAR_RANGE: f"({year}\N{EN DASH}{year + 1})",
        OPEN_RANGE: f"({year}\N{EN DASH} )",
        OPEN_RANGE_HYPHEN: f"({year}-)",
    }
    return f"{name} {endings.get(form, f'({year})')}"
