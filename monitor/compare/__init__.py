"""Runs beside each other: speed-up, efficiency, spread and what Amdahl's law makes of them, phase by phase."""

from monitor.compare.comparison import Comparison, Losses, Row, compare_columns
from monitor.compare.grid import GridRun, Prices, grid_run, write_grid
from monitor.compare.runs import Column, columns_of, find_runs
from monitor.compare.speedup import Spread, serial_fraction, spread
from monitor.compare.write import compare_command, make_comparison

__all__ = [
    "Column",
    "Comparison",
    "GridRun",
    "Losses",
    "Prices",
    "Row",
    "Spread",
    "columns_of",
    "compare_columns",
    "compare_command",
    "find_runs",
    "grid_run",
    "make_comparison",
    "serial_fraction",
    "spread",
    "write_grid",
]
