"""Phases under the curves of a whole run: shaded, and named above so that no name lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.plots.canvas import SHADE, literal, shorten
from monitor.report.timeline import Span

_MOST_NAMES, _MOST_EDGED = 30, 60
_SIZE, _ANGLE = 9, 38  # points, degrees
_APART_INCHES = 0.28  # between the feet of two slanting names


def shade(axes: Any, spans: Sequence[Span]) -> None:
    """Bands in turn, darker where a phase lies in another; their edges too where there are not too many."""
    outer = [span for span in spans if span.depth == 0]
    across = axes.get_xaxis_transform()
    for turn, colour in enumerate(SHADE):
        _fill(axes, outer[turn::2], color=colour, transform=across, zorder=0)
    _fill(axes, [span for span in spans if span.depth], color="#5b6b85", alpha=0.10, transform=across, zorder=0.2)
    edges = {edge for span in outer for edge in (span.start, span.end)}
    for edge in edges if len(outer) <= _MOST_EDGED else ():
        axes.axvline(edge, color="#b9c2cf", linewidth=0.6, zorder=2.5, alpha=0.8)


def _fill(axes: Any, spans: Sequence[Span], **look: Any) -> None:
    if spans:
        axes.broken_barh([(span.start, span.end - span.start) for span in spans], (0, 1), linewidth=0, **look)


def name_above(axes: Any, spans: Sequence[Span], seconds: float, width_inches: float) -> None:
    """Slanting names above the axes, moved apart where phases are short, each with a line to its phase.

    Of more phases than fit the longest are named, if they are long at all.
    """
    if len(spans) > _MOST_NAMES:
        long = [span for span in spans if span.end - span.start >= 0.01 * seconds]
        spans = sorted(long, key=lambda span: span.start - span.end)[:_MOST_NAMES]
    named = sorted(spans, key=lambda span: (span.start + span.end) / 2)
    middles = [(span.start + span.end) / 2 for span in named]
    scale = max(seconds, 1e-9)
    feet = spread([middle / scale for middle in middles], _APART_INCHES / width_inches)
    across = axes.get_xaxis_transform()
    for span, middle, foot in zip(named, middles, feet, strict=True):
        at = foot * scale
        axes.plot(
            [middle, middle, at], [1.0, 1.02, 1.075],
            transform=across, color="#7a8699", linewidth=0.8, clip_on=False, zorder=3,
        )  # fmt: skip
        axes.text(
            at, 1.085, literal(shorten(span.name)),
            transform=across, rotation=_ANGLE, rotation_mode="anchor", ha="left", va="bottom", fontsize=_SIZE,
            color="#1f2733",
        )  # fmt: skip


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Ascending places (0 to 1) moved as little as it takes to lie `apart`, within 0 to 1 where that is possible."""
    groups: list[tuple[float, int]] = []  # first place, members: neighbours that touch
    for place in places:
        start, count = place, 1
        while groups and groups[-1][0] + groups[-1][1] * apart > start:
            before, members = groups.pop()
            # the middle of the joined group is the mean of where its members want to be
            start = (before * members + (start - members * apart) * count) / (members + count)
            count += members
        groups.append((start, count))
    found = [start + number * apart for start, count in groups for number in range(count)]
    high = 1.0
    for number in range(len(found) - 1, -1, -1):
        found[number] = min(found[number], high)
        high = found[number] - apart
    low = 0.0 if not found or len(found) * apart <= 1 else found[0]
    for number, place in enumerate(found):
        found[number] = max(place, low)
        low = found[number] + apart
    return found
