"""What became of the rows: the entries of statistics.json, each row under one heading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recsys.config import DataConfig
from recsys.data.ingest.arrow_chunks import NOT_RATED, OFF, READ
from recsys.data.ingest.join import (
    BELOW_POSITIVE,
    GATHERED,
    JOINED,
    LATEST,
    OUTSIDE_SAMPLE,
    OUTSIDE_YEARS,
    REJECT,
    UNIQUE,
    UNKNOWN,
)
from recsys.data.ingest.movies import Movies
from recsys.data.ingest.rows import DUPLICATE, HEADER, OFF_SCALE, REPEATED_HEADER, ROW_REASONS, UNKNOWN_MOVIE
from recsys.data.ingest.statistics import Statistics
from recsys.data.scale import COUNT_MIN, Scale
from recsys.data.sources.meaning import LIKES
from recsys.data.sources.source import Source, Sources
from recsys.errors import DataError


def remedy_for_scale(off: Mapping[float, int], scale: Scale, data: DataConfig) -> str:
    """Which values off the scale occur how often, and the settings that take them."""
    if not off:
        return ""
    often = sorted(off, key=lambda value: -off[value])[:5]
    values = ", ".join(f"{value:g} ({off[value]:,} rows)" for value in often)
    more = f" and {len(off) - len(often):,} other values" if len(off) > len(often) else ""
    if scale.low == COUNT_MIN:
        never = data.ratings and 0.0 in off
        remedy = "; where 0 says 'never': --set data.missing=[0]" if never else ""
        return f"no counts, which are above 0: {values}{more}{remedy}"
    text = f"off the scale of {scale}: {values}{more}"
    if not data.ratings:
        return text
    wide = f"--set data.rating_min={min(scale.low, *off):g} --set data.rating_max={max(scale.high, *off):g}"
    if len(off) == 1:
        wide += f"; or, where it says 'not rated', --set data.missing=[{often[0]:g}]"
    return f"{text}; to take them: {wide}"


def ratings_summary(
    sources: Sources,
    data: DataConfig,
    statistics: Statistics,
    rows: Mapping[str, int],
    left_out: Mapping[str, int],
    reject: Callable[[dict[str, int], int], dict[str, Any]],
) -> dict[str, Any]:
    """The entries of statistics.json on the ratings; `reject` collects rejected rows and refuses too many."""
    ratings = sources.ratings
    headers = min(rows[HEADER], ratings.headers)
    rejects = {reason: rows.get(reason, 0) for reason in ROW_REASONS}
    rejects[OFF_SCALE] += left_out[OFF]
    rejects[REPEATED_HEADER] = rows[HEADER] - headers
    rejects[UNKNOWN_MOVIE] = left_out[UNKNOWN]
    repeated = left_out[GATHERED] - left_out[UNIQUE]
    # two likes are one like; two ratings contradict each other
    merged = data.duplicates not in (LATEST, REJECT) or (sources.feedback == LIKES and data.duplicates == LATEST)
    rejects[DUPLICATE] = 0 if merged else repeated
    _check_all_there(ratings, rows, left_out)
    times = ratings.look.times if ratings.has_times else None
    rows_read = rows[READ] - headers
    return {
        **statistics.summary(),
        "rows_read": rows_read,
        "rows_rejected": sum(rejects.values()),
        "rejected": reject(rejects, rows_read),
        "not_rated": left_out[NOT_RATED],
        "merged": repeated if merged else 0,
        "feedback": sources.feedback,
        "scale": _scale_summary(sources),
        "positive_from": data.positive_from,
        "times": times.unit if times else None,
        "told": sources.every_note,
        "not_selected": {name: left_out[name] for name in (OUTSIDE_YEARS, OUTSIDE_SAMPLE, BELOW_POSITIVE)},
    }


def _scale_summary(sources: Sources) -> dict[str, Any] | None:
    scale = sources.scale
    if sources.feedback != "ratings":
        return None
    return {"min": scale.low, "max": scale.high, "step": scale.step, "told": sources.scale_told}


def _check_all_there(ratings: Source, rows: Mapping[str, int], left_out: Mapping[str, int]) -> None:
    """DataError unless each phase had all ratings of the phase before: a file that is read again may have changed."""
    good = rows[READ] - rows[HEADER] - sum(rows.get(reason, 0) for reason in ROW_REASONS)
    joined = left_out[OFF] + left_out[NOT_RATED] + left_out[JOINED]
    selected = left_out[JOINED] - left_out[UNKNOWN] - left_out[OUTSIDE_YEARS] - left_out[OUTSIDE_SAMPLE]
    if (joined, left_out[GATHERED]) != (good, selected):
        raise DataError(
            f"{ratings.path}: of {good:,} good rows read {joined:,} were joined, and of {selected:,} selected "
            f"{left_out[GATHERED]:,} were gathered by user: the input changed in the meantime; start again"
        )


def movies_summary(movies: Movies, rejected: dict[str, Any], has_titles: bool) -> dict[str, Any]:
    """The entries of statistics.json on the movies."""
    return {
        "rows_read": movies.rows_read,
        "rejected": rejected,
        "known": len(movies.ids),
        "in_years": int(movies.selected.sum()),
        "without_year": movies.without_year if has_titles else None,
        "undecodable_titles": movies.undecodable_titles,
    }


def nothing_left(summary: dict[str, Any], data: DataConfig) -> str:
    outside = summary["not_selected"]
    wide = {"data.year_from": data.year_from, "data.year_to": data.year_to, "data.positive_from": data.positive_from}
    wide["data.sample_ratings"] = data.sample_ratings or None
    widen = ", ".join(f"{key} = {value}" for key, value in wide.items() if value is not None)
    return (
        f"no rating is left: of {summary['rows_read']:,} rows read {summary['rows_rejected']:,} are rejected, "
        f"{summary['not_rated']:,} say 'not rated', {outside[OUTSIDE_YEARS]:,} are of other years, "
        f"{outside[OUTSIDE_SAMPLE]:,} of users outside the sample, "
        f"{outside[BELOW_POSITIVE]:,} below data.positive_from; "
        + (f"widen {widen}" if widen else "give a file that holds ratings")
    )
