"""Figures of several seeds as one table: mean and standard error, and the ratio to a reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Figures = Mapping[str, float]


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard error of the mean; no error of a single value."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def mean_ratio(values: Mapping[int, Figures], reference: Mapping[int, Figures], figure: str) -> float | None:
    """Mean of the figure over the reference's of the same seed, over the seeds that both have; None without any."""
    ratios = [
        values[seed][figure] / reference[seed][figure]
        for seed in values
        if figure in values[seed] and reference.get(seed, {}).get(figure)
    ]
    return mean_and_error(ratios)[0] if ratios else None


def table(results: Mapping[str, Mapping[int, Figures]], figures: Sequence[str], reference: str, by: str) -> list[str]:
    """Lines: a row a model (name -> seed -> figures), a column a figure, last the ratio of `by` to `reference`."""
    heads = ["model", *figures, f"{by} / {reference}"]
    rows = []
    for name, seeds in results.items():
        cells = [_cell([one[figure] for one in seeds.values() if figure in one]) for figure in figures]
        ratio = mean_ratio(seeds, results.get(reference, {}), by)
        rows.append([name, *cells, "-" if ratio is None else f"{ratio:.3f}"])
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]]


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean, error = mean_and_error(values)
    text = f"{mean:.4f}" if abs(mean) < 10 else f"{mean:.1f}"
    return text if error is None else f"{text} ± {error:.4f}"
