"""A comparison as one self-contained HTML page, in the manner of a run's report."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.compare.comparison import Comparison
from monitor.compare.fields import ComparedPart, ComparisonSection, Table
from monitor.compare.notes import highlights, warnings
from monitor.compare.runs import Column, wall_seconds
from monitor.compare.tables import METHOD, capability_table, cost_tables, speedup_tables
from monitor.cost.phase_costs import TOTAL
from monitor.extensions import Card
from monitor.formatting import UNKNOWN, counted, duration, listed
from monitor.plots import Picture
from monitor.report.findings import Finding
from monitor.report.frame import PagePart, card_list, finding_list, framed, inserted
from monitor.report.markup import Html, figure, joined, table, tag


def compare_page(
    comparison: Comparison,
    title: str,
    gains: Sequence[Picture],
    panels: Sequence[Picture],
    more: Sequence[tuple[ComparisonSection, ComparedPart]] = (),
    grid: tuple[Table, Sequence[Picture]] | None = None,
    use: Picture | None = None,
) -> str:
    """The page of a comparison.

    Args:
        comparison: The figures.
        title: The page's title.
        gains: Pictures of wall times and speed-ups.
        panels: Pictures of phases side by side.
        more: Sections of extensions.
        grid: The table and the pictures of a grid.
        use: The picture of what all runs used over time.
    """
    capability = capability_table(comparison)
    by_variant = [_table(gains_table, total=True) for gains_table in speedup_tables(comparison)]
    costs = [_table(cost_table, total=True) for cost_table in cost_tables(comparison)]
    intro = "CPU in % of all cores (green, left axis) and RAM in GB (blue, right axis); all panels have the same axes."
    intro += " A dotted line is the phase's end; pale lines are other repeats."
    sections: list[PagePart] = [
        ("notice", "What to notice", _notes(comparison)),
        ("grid", "Grid", _grid(*grid) if grid else None),
        ("utilisation", "Utilisation", _figure(use) if use else None),
        ("speedup", "Speed-up", joined([*map(_figure, gains), *by_variant]) if gains or by_variant else None),
        ("costs", "Cost by phase", joined(costs)),
        ("phases", "Phases side by side", joined([tag("p", intro), *map(_figure, panels)]) if panels else None),
        ("machine", "What this machine gives", _table(capability) if capability else None),
        ("runs", "Runs", _runs(comparison)),
        ("method", "How figures came about", tag("ul", *[tag("li", text) for text in METHOD])),
    ]
    for section, part in more:
        shown = [_table(part.table) if part.table else None, _figure(part.picture) if part.picture else None]
        sections = inserted(sections, (section.name, section.title, joined(shown)), section.after)
    runs = sum(len(column.runs) for column in comparison.columns)
    named = tag("p", f"{counted(runs, 'run')}: {listed([column.label for column in comparison.columns], 12)}")
    return framed(title, [tag("h1", title), named, _cards(comparison)], sections)


def _cards(comparison: Comparison) -> Html:
    cards = []
    for number, column in enumerate(comparison.columns[:8]):
        row = comparison.row(TOTAL, number)
        value = duration(row.wall_seconds.middle) if row.wall_seconds else _how(column)
        more = f"{row.speedup:.2f} times as fast" if row.speedup else counted(row.runs, "run")
        cards.append(Card(column.label, value, more))
    return card_list(cards)


def _how(column: Column) -> str:
    """How the runs of a column ended that have no total."""
    return "does not fit" if all((run.ended or {}).get("does_not_fit") for run in column.runs) else "failed"


def _notes(comparison: Comparison) -> Html | None:
    found = [Finding(text) for text in highlights(comparison)]
    return finding_list([*found, *[Finding(text, warning=True) for text in warnings(comparison)]])


def _runs(comparison: Comparison) -> Html:
    rows = []
    for column in comparison.columns:
        for run in column.runs:
            ended = run.ended or {}
            status = str(ended.get("status") or run.costs.total.status)
            why = " ".join(str(ended.get("error") or ended.get("stopped") or "").split())
            rows.append((run.name, column.label, status, f"{wall_seconds(run):,.1f}", _commit(column), why))
    return table("All runs", ("run", "column", "status", "wall time (s)", "commit", "reason"), rows)


def _commit(column: Column) -> str:
    return str(column.settings.get("commit") or UNKNOWN)


def _grid(runs: Table, pictures: Sequence[Picture]) -> Html:
    return joined([_table(runs), *map(_figure, pictures)])


def _table(shown: Table, total: bool = False) -> Html:
    caption = f"{shown.title}. {shown.about}" if shown.about else shown.title
    return table(caption, [name.strip() for name in shown.columns], shown.rows, last_is_total=total)


def _figure(picture: Picture) -> Html:
    return figure(picture, "wide scroll")
