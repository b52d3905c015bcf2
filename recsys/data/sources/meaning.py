"""What a row of ratings says: a rating on a scale, a like, or a count. Given by the settings, or told from the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from recsys.columns import RATING
from recsys.config import DataConfig
from recsys.data.scale import COUNT_MAX, COUNT_MIN, Scale
from recsys.data.sources.layout import header_says_counts
from recsys.data.sources.source import Source, Sources
from recsys.data.sources.told_scale import ToldScale, are_counts, told_scale
from recsys.errors import DataError

LIKES, COUNTS, RATINGS = "likes", "counts", "ratings"
_NOT_READ = "data.feedback = 'likes': the column of ratings is not read, every row is a like"
_DEFAULT = ToldScale(0.5, 5.0, None)  # where no rating can be read
_ROWS_OF_LIKES = 20  # so many ratings of 1 and no other are likes


def own_sources(ratings: Source, movies: Source | None, data: DataConfig) -> Sources:
    """The sources with what their rows say.

    Raises:
        DataError: data.feedback needs a column of ratings and there is none.
    """
    missing, notes = _missing(ratings, data)
    counts = {value: count for value, count in ratings.look.values.items() if value not in missing}
    feedback = _feedback(ratings, data, counts)
    if feedback == RATINGS:
        scale, told, more = _scale(counts, missing, data)
        return Sources(ratings, movies, scale, feedback, told, notes=(*notes, *more))
    if feedback == COUNTS:
        text = "rows hold counts" if ratings.has_ratings else "rows hold no counts: each counts 1"
        notes = (*notes, f"{text}; data.weights says what they weigh")
        return Sources(ratings, movies, Scale(COUNT_MIN, COUNT_MAX, None, missing), feedback, notes=notes)
    if not ratings.has_ratings:
        notes = (*notes, "there is no column of ratings: every row is a like")
    elif data.feedback == LIKES:
        notes = (*notes, _NOT_READ)
    else:
        notes = (*notes, "every rating is 1: every row is a like")
    return Sources(ratings.without(RATING), movies, Scale(1.0, 1.0, None), LIKES, notes=notes)


def known_sources(ratings: Source, movies: Source | None, scale: Scale, feedback: str, data: DataConfig) -> Sources:
    """The sources of a data set whose scale and kind of rows are known; `data.feedback` may take them for others."""
    wanted = feedback if data.feedback == "auto" else data.feedback
    if wanted == LIKES:
        return Sources(ratings.without(RATING), movies, Scale(1.0, 1.0), LIKES, notes=(_NOT_READ,))
    if wanted == COUNTS and feedback != COUNTS:
        scale = Scale(COUNT_MIN, COUNT_MAX, None, scale.missing)
    return Sources(ratings, movies, scale, wanted)


def retold(sources: Sources, off: dict[float, int], rows: int, data: DataConfig) -> Sources:
    """The sources with a scale that takes ratings off the told one, too: how often each occurs in so many rows.

    Values that are far off all others and rare stay off the scale.
    """
    looked = {value: count for value, count in sources.ratings.look.values.items() if value not in off}
    # the first rows stand for all the others
    share = max(1.0, (rows - sum(off.values())) / max(sum(looked.values()), 1))
    every = {**looked, **{value: count / share for value, count in off.items()}}
    counts = {value: count for value, count in every.items() if value not in sources.scale.missing}
    scale, _, more = _scale(counts, sources.scale.missing, data)
    kept = tuple(note for note in sources.notes if not note.startswith(_TOLD) and _FAR not in note)
    return replace(sources, scale=scale, notes=(*kept, *more))


_TOLD, _FAR = "ratings from ", "far off the others"


def _missing(ratings: Source, data: DataConfig) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The codes for "not rated"."""
    wide = ratings.layout.wide if ratings.layout else None
    if data.missing or wide is None or wide.missing is None:
        return data.missing, ()
    note = f"{wide.missing:g} says 'not rated': the first field of each row counts the other values"
    return (wide.missing,), (note,)


def _feedback(ratings: Source, data: DataConfig, counts: dict[float, int]) -> str:
    if data.feedback == RATINGS and not ratings.has_ratings:
        raise DataError(
            f"{ratings.path}: holds no ratings, as data.feedback = 'ratings' says: name their column in "
            "data.columns.rating, or set data.feedback = 'likes'"
        )
    feedback = _told_feedback(ratings, data, counts)
    if feedback == RATINGS and data.duplicates == "sum":
        raise DataError(
            f"{ratings.path}: data.duplicates = 'sum' would add ratings up, off their scale: use 'mean', or set "
            "data.feedback = 'counts' where they are counts"
        )
    return feedback


def _told_feedback(ratings: Source, data: DataConfig, counts: dict[float, int]) -> str:
    if data.feedback != "auto":
        return data.feedback
    if not ratings.has_ratings:
        return COUNTS if data.duplicates == "sum" else LIKES
    if data.rating_min is not None or data.rating_max is not None:
        return RATINGS
    if (ratings.layout is not None and header_says_counts(ratings.layout)) or are_counts(counts):
        return COUNTS
    if set(counts) == {1.0} and counts[1.0] >= _ROWS_OF_LIKES:
        return LIKES
    return RATINGS


def _scale(
    counts: Mapping[float, float], missing: tuple[float, ...], data: DataConfig
) -> tuple[Scale, bool, tuple[str, ...]]:
    """(the scale, whether it is told, notes)."""
    low, high = data.rating_min, data.rating_max
    if low is not None and high is not None:
        return Scale(low, high, None, missing), False, ()
    told = told_scale(counts) or _DEFAULT
    low, high = told.low if low is None else low, told.high if high is None else high
    if low >= high:
        low, high = (min(low, high - 1.0), high) if data.rating_max is not None else (low, low + 1.0)
    step = told.step if (low, high) == (told.low, told.high) else None
    scale = Scale(low, high, step, missing)
    notes = [f"{_TOLD}{scale} (told from the rows; data.rating_min and data.rating_max set others)"]
    total = sum(counts.values())
    for code in told.codes:
        others = told_scale({value: count for value, count in counts.items() if value != code})
        notes.append(
            f"{counts[code]:,.0f} of {total:,.0f} ratings looked at are {code:g}, {_FAR} ({others}): if "
            f"{code:g} says 'not rated', set data.missing = [{code:g}]"
        )
    return scale, True, tuple(notes)
