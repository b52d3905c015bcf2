"""A comparison as compare.csv and as the tables of compare.md and of the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from monitor.compare.comparison import Comparison, Row, Spread
from monitor.compare.fields import Table
from monitor.compare.notes import highlights, warnings
from monitor.cost.phase_costs import TOTAL
from monitor.formatting import UNKNOWN

_SPREADS = ("wall_seconds", "cpu_seconds", "pss_peak_bytes")
_FIGURES = (
    "speedup",
    "speedup_low",
    "speedup_high",
    "efficiency",
    "machine_speedup",
    "of_machine",
    "serial_fraction",
    "machine_serial_fraction",
    "note",
)
COMPARE_COLUMNS = (
    "phase", "column", "workers", "variant", "runs",
    *(f"{name}{end}" for name in _SPREADS for end in ("", "_min", "_max", "_stdev")),
    *_FIGURES,
)  # fmt: skip


def compare_csv(comparison: Comparison) -> str:
    """compare.csv: a row a phase and column; middle, least, most and standard deviation; the unknown is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COMPARE_COLUMNS)
    for row in comparison.rows:
        column = comparison.columns[row.column]
        spreads = [_four(getattr(row, name)) for name in _SPREADS]
        figures = [getattr(row, name) for name in _FIGURES]
        head = [row.phase, column.label, column.workers, column.variant, row.runs]
        writer.writerow([*head, *(value for four in spreads for value in four), *map(_rounded, figures)])
    return text.getvalue()


def cost_tables(comparison: Comparison) -> list[Table]:
    """A table a variant: every phase and the total, each column's figures side by side."""
    return [_costs(comparison, variant, columns) for variant, columns in comparison.variants.items()]


def speedup_tables(comparison: Comparison) -> list[Table]:
    """A table a variant that has more than one column: what the workers gained."""
    many = {variant: columns for variant, columns in comparison.variants.items() if len(columns) > 1}
    return [_speedups(comparison, variant, columns) for variant, columns in many.items()]


def capability_table(comparison: Comparison) -> Table | None:
    """What the machine gives; None where it was not measured."""
    capability = comparison.capability
    if capability is None:
        return None
    rows = []
    for rate in capability.rates:
        times, copies = capability.speedup(rate.processes), capability.copy_speedup(rate.processes)
        rows.append(
            (
                str(rate.processes),
                f"{rate.gigaflops:,.1f}",
                _times(times),
                f"{rate.copied_gigabytes_per_second:,.2f}",
                _times(copies),
            )
        )
    about = (
        f"{capability.host}, {capability.cores} cores: float32 matrix products and copies of arrays larger than the "
        "caches, by that many processes of one thread each at once."
    )
    columns = ("processes", "GFLOP/s", "times one", "GB/s copied", "times one ")
    return Table("What this machine gives", columns, tuple(rows), about)


def markdown(comparison: Comparison, more: Sequence[Table] = (), grid: Table | None = None) -> str:
    """compare.md: every table, a grid's first, `more` of extensions, the notes, and how the figures came about."""
    tables = [*([grid] if grid else []), *speedup_tables(comparison), *cost_tables(comparison), *more]
    lines = ["# Comparison", ""]
    lines += [
        *[f"- {text}" for text in highlights(comparison)],
        *[f"- **Mind:** {text}" for text in warnings(comparison)],
        "",
    ]
    for table in [*tables, capability_table(comparison)]:
        if table:
            lines += [f"## {table.title}", "", *_aligned(table), "", *([table.about, ""] if table.about else [])]
    return "\n".join([*lines, *[f"- {text}" for text in METHOD]]) + "\n"


METHOD = (
    "Figures are the median of the repeats; least and most stand in brackets behind.",
    "Speed-up is the wall time of the column with the fewest workers over this one's; efficiency is speed-up over how "
    "many times as many workers.",
    "Of machine is speed-up over what the machine gives for matrix products with as many processes.",
    "Serial: the fraction f in Amdahl's S = 1 / (f + (1 - f) / W), once (W) with W the workers, once (machine) with W "
    "what the machine gives. It is not defined where S is below 1 or above W.",
    "Memory is PSS, pages that processes share being counted once. The total has in it what lies outside of phases.",
)


def _costs(comparison: Comparison, variant: str, columns: Sequence[int]) -> Table:
    names = ["phase"]
    for title in ("wall s", "CPU s", "peak GB"):
        names += [f"{title} {_short(comparison, number, columns)}" for number in columns]
    rows = []
    for phase in (*comparison.phases, TOTAL):
        found = [comparison.row(phase, number) for number in columns]
        cells = [spread_text(row.wall_seconds, _number) for row in found]
        cells += [spread_text(row.cpu_seconds, _number) for row in found]
        cells += [spread_text(row.pss_peak_bytes, lambda value: f"{value / 1e9:.2f}") for row in found]
        rows.append((phase, *cells))
    title = "Wall time, CPU time and memory" + (f": {variant}" if variant else "")
    return Table(title, tuple(names), tuple(rows))


def _speedups(comparison: Comparison, variant: str, columns: Sequence[int]) -> Table:
    names = ["phase", f"wall s {_short(comparison, columns[0], columns)}"]
    for number in columns[1:]:
        short = _short(comparison, number, columns)
        whose = f" {short}" if len(columns) > 2 else ""
        gains = ("speed-up", "efficiency", "of machine", "serial (W)", "serial (machine)")
        names += [f"wall s {short}", *(f"{gain}{whose}" for gain in gains)]
    rows = []
    for phase in (*comparison.phases, TOTAL):
        cells = [spread_text(comparison.row(phase, columns[0]).wall_seconds, _number)]
        for number in columns[1:]:
            cells += _gain(comparison.row(phase, number))
        rows.append((phase, *cells))
    return Table("Speed-up" + (f": {variant}" if variant else ""), tuple(names), tuple(rows))


def _gain(row: Row) -> list[str]:
    return [
        spread_text(row.wall_seconds, _number),
        _times(row.speedup) + (f" ({row.speedup_low:.2f}–{row.speedup_high:.2f})" if _repeated(row) else ""),
        _percent(row.efficiency),
        _percent(row.of_machine),
        _percent(row.serial_fraction),
        _percent(row.machine_serial_fraction),
    ]


def _repeated(row: Row) -> bool:
    return None not in (row.speedup_low, row.speedup_high) and row.speedup_low != row.speedup_high


def _short(comparison: Comparison, number: int, columns: Sequence[int]) -> str:
    workers = comparison.columns[number].workers
    if workers is None:
        return "" if len(columns) == 1 else comparison.columns[number].label
    return f"{workers}W"


def _four(found: Spread | None) -> tuple[object, ...]:
    return (
        ("", "", "", "")
        if found is None
        else tuple(map(_rounded, (found.middle, found.low, found.high, found.deviation)))
    )


def _rounded(value: object) -> object:
    return "" if value is None else round(value, 6) if isinstance(value, float) else value


def spread_text(found: Spread | None, write: Callable[[float], str]) -> str:
    """The median, and the least and the most behind it where they differ; `write` writes a number."""
    if found is None:
        return UNKNOWN
    text, low, high = write(found.middle), write(found.low), write(found.high)
    return text if low == high else f"{text} ({low}–{high})"


def _number(value: float) -> str:
    return f"{value:,.{2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0}f}"


def _times(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}×"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.0f} %"


def _aligned(table: Table) -> list[str]:
    rows = [[cell.strip().replace("|", "\\|") for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(3, *(len(row[index]) for row in rows)) for index in range(len(table.columns))]
    lines = []
    for row in rows:
        cells = [
            text.rjust(width) if index else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    marks = [("-" * (width - 1) + ":") if index else "-" * width for index, width in enumerate(widths)]
    lines.insert(1, f"| {' | '.join(marks)} |")
    return lines
