"""What howdah's jobs add to comparisons: worker count, names by years, losses, and quality figures of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from monitor.compare import (
    ComparedPart,
    Comparison,
    ComparisonFields,
    ComparisonSection,
    GridColumn,
    Spread,
    Table,
    column_name,
    spread,
    spread_text,
)
from monitor.formatting import listed
from monitor.plots import Picture, canvas
from monitor.report import RunFiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_YEARS = ("data.year_from", "data.year_to")
_TRAINING = "model_training"
_MOST_VARIANTS = 6


@dataclass(frozen=True)
class Losses:
    """A row of the paper's table 2, spreads over repeats; divergence = (test - train) / train."""

    column: int
    train: Spread | None
    test: Spread | None
    divergence: Spread | None


def losses_of(comparison: Comparison) -> list[Losses]:
    """Losses of every column of a comparison."""
    found = []
    for number, column in enumerate(comparison.columns):
        measured = [(run.read_object("metrics.json") or {}).get("reconstruction") or {} for run in column.runs]
        train, test = [[_number(losses.get(name)) for losses in measured] for name in ("train", "test")]
        gaps = [(b - a) / a if a and b is not None else None for a, b in zip(train, test, strict=True)]
        found.append(Losses(number, spread(train), spread(test), spread(gaps)))
    return found


def loss_table(comparison: Comparison) -> Table | None:
    """The paper's table 2; None where no run was evaluated."""
    found = losses_of(comparison)
    if not any(losses.train or losses.test for losses in found):
        return None
    rows = [
        (
            comparison.columns[losses.column].label,
            spread_text(losses.train, _loss_text),
            spread_text(losses.test, _loss_text),
            spread_text(losses.divergence, lambda value: f"{100 * value:.2f} %"),
        )
        for losses in found
    ]
    about = "Divergence is (test loss - train loss) / train loss, as in the paper's table 2."
    return Table("Losses", ("configuration", "train loss", "test loss", "divergence"), tuple(rows), about)


def plot_loss_curves(comparison: Comparison, path: Path) -> Picture | None:
    """Training (solid) and validation loss (dashed) by epoch of all runs, a panel a variant; None without an epoch."""
    variants = {
        name: columns
        for name, columns in list(comparison.variants.items())[:_MOST_VARIANTS]
        if any(run.read_rows("history.csv") for number in columns for run in comparison.columns[number].runs)
    }
    if not variants:
        return None
    from matplotlib.ticker import MaxNLocator

    wide = min(3, len(variants))
    high = -(-len(variants) // wide)
    figure = canvas.new_figure(max(7.0, 4.2 * wide), 0.9 + 3.5 * high)
    grid = figure.subplots(high, wide, squeeze=False, sharex=True, sharey=True)
    panels = [panel for row in grid for panel in row]
    for panel, (name, columns) in zip(panels, variants.items(), strict=False):
        for order, number in enumerate(columns):
            _draw_losses(panel, comparison, number, canvas.HOST_COLOURS[order % len(canvas.HOST_COLOURS)])
        panel.set_title(canvas.literal(canvas.shorten(name, 40)), fontsize="medium")
        panel.grid(alpha=0.25)
        panel.tick_params(labelbottom=True)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panels[0].get_xlim()[1] - panels[0].get_xlim()[0] < 1:  # a single epoch
        panels[0].set_xlim(0.5, 1.5)
    for panel in panels[len(variants) :]:
        panel.set_axis_off()
    for row in grid:
        row[0].set_ylabel("loss of the master model")
    canvas.legend_below(figure, panels)
    canvas.save(figure, path)
    labels = [comparison.columns[number].label for columns in variants.values() for number in columns]
    text = f"Training (solid) and validation loss (dashed) by epoch, on equal axes: {listed(labels, 12)}."
    return Picture(path, "Losses by epoch", text)


def _draw_losses(axes: Axes, comparison: Comparison, number: int, colour: str) -> None:
    column = comparison.columns[number]
    for run in column.runs:
        shown = run is column.middle  # of the repeats
        rows = run.read_rows("history.csv")
        for kind, line in (("train", "-"), ("validation", "--")):
            points = _points(rows, f"{kind}_loss")
            if points:
                axes.plot(
                    *zip(*points, strict=True), color=colour, linestyle=line, linewidth=1.6 if shown else 0.8,
                    alpha=1 if shown else 0.3, marker="o" if len(points) < 3 else None, markersize=5,
                    markerfacecolor=colour if kind == "train" else "white",
                    label=canvas.literal(f"{column_name(comparison, number)} {kind}") if shown else None,
                )  # fmt: skip


def _points(history: Sequence[Mapping[str, str]], name: str) -> list[tuple[int, float]]:
    points = []
    for row in history:
        try:
            points.append((int(row["epoch"]), float(row[name])))
        except (KeyError, ValueError):
            continue
    return points


def _losses_section(comparison: Comparison, folder: Path) -> ComparedPart:
    return ComparedPart(loss_table(comparison), plot_loss_curves(comparison, folder / "losses.png"))


def _variant(settings: Mapping[str, Any], differing: Sequence[str]) -> str | None:
    """Such as 1950-1960, where runs differ in their years alone."""
    if differing and set(differing) <= {*_YEARS}:
        return "–".join(str(settings.get(key, "")) for key in _YEARS)
    return None


def _quality(run: RunFiles) -> dict[str, float]:
    """The model's own figures of metrics.json (losses, errors, and ranking figures by their mean), and its epochs'."""
    return dict(_figures(run.read_object("metrics.json") or {})) | _epoch_seconds(run)


def _epoch_seconds(run: RunFiles) -> dict[str, float]:
    """The first epoch's seconds, the median of the others', and those of the training that are in no epoch: imports,
    the losses before the first one, saving."""
    seconds = [value for _, value in _points(run.read_rows("history.csv"), "seconds")]
    if not seconds:
        return {}
    found = {"first_epoch_seconds": seconds[0]}
    if len(seconds) > 1:
        found["epoch_seconds"] = median(seconds[1:])
    training = [cost.wall_seconds for cost in run.costs.phases if (cost.phase, cost.status) == (_TRAINING, "done")]
    if training and training[0] is not None:
        found["outside_epochs_seconds"] = max(0.0, training[0] - sum(seconds))
    return found


def _figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    losses = metrics.get("reconstruction") or {}
    for name, key in (("train", "train_loss"), ("test", "test_loss"), ("divergence", "divergence")):
        if isinstance(losses.get(name), int | float):
            yield key, losses[name]
    for part in ("rating_prediction", "ranking"):
        for key, value in ((metrics.get(part) or {}).get("model") or {}).items():
            number = value.get("mean") if isinstance(value, Mapping) else value
            if isinstance(number, int | float):
                yield key, number


def _grid_columns(figures: Sequence[str]) -> list[GridColumn]:
    return [
        GridColumn("training_seconds", "training s", 1),
        GridColumn("first_epoch_seconds", "first epoch s", 2),
        GridColumn("epoch_seconds", "other epochs s (median)", 2),
        GridColumn("outside_epochs_seconds", "outside epochs s", 1),
        GridColumn("test_loss", "test loss", 6),
        GridColumn("divergence", "divergence %", 2, 0.01),
        GridColumn("rmse", "RMSE", 4),
        *(GridColumn(name, name, 4) for name in figures if name.startswith("ndcg@")),
    ]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _loss_text(value: float) -> str:
    return f"{value:.6f}" if abs(value) < 10 else f"{value:.2f}"


FIELDS = ComparisonFields(
    workers_key="training.workers",
    cores_key="machine.cores",
    memory_gb_key="machine.memory_gb",
    ignored=("name", "data.data_dir", "cost."),
    variant=_variant,
    phase_seconds={"training_seconds": _TRAINING},
    figures=_quality,
    grid_columns=_grid_columns,
    sections=(ComparisonSection("losses", "Losses", after="phases", render=_losses_section),),
)
