"""A comparison as one self-contained HTML page, in the manner of a run's report."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from monitor.compare.comparison import Comparison
from monitor.compare.notes import highlights, warnings
from monitor.compare.runs import Column, wall_seconds
from monitor.compare.tables import METHOD, Table, capability_table, cost_tables, loss_table, speedup_tables
from monitor.plots import Picture
from monitor.report.cost import TOTAL
from monitor.report.figures import UNKNOWN, counted, duration, listed
from monitor.report.markup import Html, joined, table, tag
from monitor.report.page_style import PAGE, STYLE


def compare_page(
    comparison: Comparison,
    title: str,
    gains: Sequence[Picture],
    panels: Sequence[Picture],
    losses: Picture | None,
    grid: tuple[Table, Sequence[Picture]] | None = None,
) -> str:
    """The page: pictures of wall times and speed-ups, of phases side by side, of losses, and of a grid."""
    told = loss_table(comparison)
    capability = capability_table(comparison)
    by_variant = [_table(one, total=True) for one in speedup_tables(comparison)]
    costs = [_table(one, total=True) for one in cost_tables(comparison)]
    intro = "CPU in % of all cores (green, left axis) and RAM in GB (blue, right axis); all panels have the same axes."
    intro += " A dotted line is the phase's end; pale lines are other repeats."
    sections: list[tuple[str, str, Html | None]] = [
        ("notice", "What to notice", _notes(comparison)),
        ("speedup", "Speed-up", joined([*map(_figure, gains), *by_variant]) if gains or by_variant else None),
        ("costs", "Cost by phase", joined(costs)),
        ("grid", "Grid", _grid(*grid) if grid else None),
        ("phases", "Phases side by side", joined([tag("p", intro), *map(_figure, panels)]) if panels else None),
        ("losses", "Losses", joined([_table(told) if told else None, _figure(losses) if losses else None])),
        ("machine", "What this machine gives", _table(capability) if capability else None),
        ("runs", "Runs", _runs(comparison)),
        ("method", "How figures came about", tag("ul", *[tag("li", one) for one in METHOD])),
    ]
    there = [(key, name, part) for key, name, part in sections if part]
    body = [tag("section", tag("h2", name, id=key), part, aria_labelledby=key) for key, name, part in there]
    made = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    runs = sum(len(column.runs) for column in comparison.columns)
    named = tag("p", f"{counted(runs, 'run')}: {listed([column.label for column in comparison.columns], 12)}")
    return PAGE.substitute(
        title=html.escape(title),
        style=STYLE,
        header=joined([tag("h1", title), named, _cards(comparison)]),
        contents=tag("ul", *[tag("li", tag("a", name, href=f"#{key}")) for key, name, _ in there]),
        body="\n".join(body),
        footer=html.escape(f"Made by monitor on {made}"),
    )


def _cards(comparison: Comparison) -> Html:
    cards = []
    for number, column in enumerate(comparison.columns[:8]):
        row = comparison.row(TOTAL, number)
        value = duration(row.wall_seconds.middle) if row.wall_seconds else "failed"
        more = f"{row.speedup:.2f} times as fast" if row.speedup else counted(row.runs, "run")
        cards.append(tag("div", tag("dt", column.label), tag("dd", value, tag("small", more))))
    return tag("dl", *cards, class_="figures")


def _notes(comparison: Comparison) -> Html | None:
    items = [tag("li", one) for one in highlights(comparison)]
    items += [tag("li", tag("strong", "Mind: "), one, class_="warning") for one in warnings(comparison)]
    return tag("ul", *items, class_="findings") if items else None


def _runs(comparison: Comparison) -> Html:
    rows = []
    for column in comparison.columns:
        for run in column.runs:
            ended = run.ended or {}
            status = str(ended.get("status") or run.costs.total.status)
            why = " ".join(str(ended.get("error") or "").split())
            rows.append((run.name, column.label, status, f"{wall_seconds(run):,.1f}", _commit(column), why))
    return table("All runs", ("run", "column", "status", "wall time (s)", "commit", "reason"), rows)


def _commit(column: Column) -> str:
    return str(column.settings.get("commit") or UNKNOWN)


def _grid(told: Table, pictures: Sequence[Picture]) -> Html:
    return joined([*[_figure(one) for one in pictures], _table(told)])


def _table(one: Table, total: bool = False) -> Html:
    caption = f"{one.title}. {one.about}" if one.about else one.title
    return table(caption, [name.strip() for name in one.columns], one.rows, last_is_total=total)


def _figure(picture: Picture) -> Html:
    data = picture.path.read_bytes()
    size: dict[str, Any] = {
        "width": int.from_bytes(data[16:20], "big"),
        "height": int.from_bytes(data[20:24], "big"),
    }
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    box = {"class_": "wide scroll", "tabindex": "0", "role": "region", "aria_label": picture.title}
    image = tag("img", src=source, alt=picture.text, **size)
    return tag("figure", tag("div", image, **box), tag("figcaption", picture.text))
