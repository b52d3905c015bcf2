"""Runs beside each other: speed-up, efficiency, spread and what Amdahl's law makes of them, phase by phase."""

from monitor.compare.capability import Capability, Rates, measure_capability, read_capability, write_capability
from monitor.compare.comparison import (
    Comparison,
    Row,
    Spread,
    column_name,
    compare_columns,
    serial_fraction,
    spread,
)
from monitor.compare.fields import ComparedPart, ComparisonFields, ComparisonSection, GridColumn, Table
from monitor.compare.grid import OWN_COLUMNS, Grid, GridRun, Prices, grid_run, write_grid
from monitor.compare.runs import Column, columns_of, find_fields, find_runs
from monitor.compare.tables import spread_text
from monitor.compare.write import compare_command, make_comparison

__all__ = [
    "OWN_COLUMNS",
    "Capability",
    "Column",
    "ComparedPart",
    "Comparison",
    "ComparisonFields",
    "ComparisonSection",
    "Grid",
    "GridColumn",
    "GridRun",
    "Prices",
    "Rates",
    "Row",
    "Spread",
    "Table",
    "column_name",
    "columns_of",
    "compare_columns",
    "compare_command",
    "find_fields",
    "find_runs",
    "grid_run",
    "make_comparison",
    "measure_capability",
    "read_capability",
    "serial_fraction",
    "spread",
    "spread_text",
    "write_capability",
    "write_grid",
]
