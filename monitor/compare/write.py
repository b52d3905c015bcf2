"""Writes a comparison: compare.csv, compare.md, pictures, and index.html, which holds all of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from monitor.compare.capability import read_capability
from monitor.compare.comparison import Comparison, compare_columns
from monitor.compare.grid import Grid, grid_table, write_grid
from monitor.compare.grid_pictures import plot_grid
from monitor.compare.notes import MOST_PANELS
from monitor.compare.page import compare_page
from monitor.compare.panels import plot_panels
from monitor.compare.pictures import plot_scaling, plot_speedups
from monitor.compare.runs import columns_of, find_fields, find_runs
from monitor.compare.tables import compare_csv, markdown
from monitor.compare.utilisation import plot_utilisation
from monitor.cost.phase_costs import TOTAL
from monitor.cost.run_files import read_run
from monitor.errors import MonitorError
from monitor.plots import Picture
from monitor.report.frame import write_text
from monitor.screen import say


def make_comparison(
    runs: Sequence[str | Path],
    output: str | Path,
    title: str = "Comparison",
    grid: Grid | None = None,
) -> Path:
    """Compares the runs and writes the comparison into `output`; the path of its index.html.

    What this machine gives is read from `output`, or from where the job compare left the runs. MonitorError where
    something is not a run.
    """
    paths, folder = find_runs(runs), Path(output)
    known = [read_capability(parent) for parent in (folder, *(path.resolve().parent.parent for path in paths))]
    capability = next((capability for capability in known if capability), None)
    columns = columns_of([read_run(path) for path in paths])
    return write_comparison(compare_columns(columns, capability), folder, title, grid)


def write_comparison(
    comparison: Comparison,
    folder: Path,
    title: str,
    grid: Grid | None = None,
) -> Path:
    """Writes all files of a comparison."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MonitorError(f"--output {folder}: cannot be written: {error.strerror}: name another") from None
    for old in (*folder.glob("phase-*.png"), *folder.glob("speedup*.png"), *folder.glob("grid-*.png")):
        old.unlink()  # of a comparison made earlier
    fields = find_fields([run for column in comparison.columns for run in column.runs])
    more = [(section, section.render(comparison, folder)) for section in fields.sections]
    write_text(folder / "compare.csv", compare_csv(comparison))
    gains = [
        plot_speedups(comparison, variant, folder / (f"speedup-{number}.png" if number else "speedup.png"))
        for number, variant in enumerate(comparison.variants)
    ]
    gains.append(plot_scaling(comparison, folder / "scaling.png"))
    use = plot_utilisation(comparison, folder / "utilisation.png", fields)
    drawn = None
    if grid:
        write_grid(grid.runs, grid.keys, folder)
        table = grid_table(grid.runs, grid.keys, fields, grid.columns)
        drawn = (table, plot_grid(grid.runs, grid.keys, folder))
    tables = [part.table for _, part in more if part.table]
    write_text(folder / "compare.md", markdown(comparison, tables, drawn[0] if drawn else None))
    index = folder / "index.html"
    write_text(
        index,
        compare_page(
            comparison, title, [gain for gain in gains if gain], _panels(comparison, folder), more, drawn, use
        ),
    )
    return index


def compare_command(runs: Sequence[str | Path], output: str | Path) -> int:
    """`python -m monitor compare RUN RUN ... [--output DIR]`: compares runs that exist; the exit code."""
    try:
        index = make_comparison(runs, output)
    except PermissionError as error:
        raise MonitorError(f"{error.filename}: cannot be read or written: choose another, or mend its rights") from None
    say((index.parent / "compare.md").read_text(encoding="utf-8"))
    say(str(index))
    return 0


def _panels(comparison: Comparison, folder: Path) -> list[Picture]:
    if len(comparison.columns) > MOST_PANELS:
        return []
    pictures = []
    for number, phase in enumerate((*comparison.phases, TOTAL), 1):
        safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", phase)[:60]
        pictures.append(plot_panels(comparison, phase, folder / f"phase-{number:02d}-{safe}.png"))
    return [picture for picture in pictures if picture]
