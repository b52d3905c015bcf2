"""The loss curves of a run, drawn from its history.csv."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from monitor.plots import canvas

TRAIN_COLOUR, VALIDATION_COLOUR = "#1f77b4", "#d62728"


def plot_losses(run: str | Path) -> Path | None:
    """Draws training and validation loss by epoch from history.csv into report/loss.png; None without an epoch."""
    folder = Path(run)
    with (folder / "history.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]  # a killed run's may be cut off
    if not rows:
        return None
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) for row in rows]
    figure = canvas.new_figure(7, 4)
    axes = figure.subplots()
    for name, colour in (("train", TRAIN_COLOUR), ("validation", VALIDATION_COLOUR)):
        losses = [float(row[f"{name}_loss"]) for row in rows]
        axes.plot(epochs, losses, color=colour, label=name, marker="o" if len(rows) <= 25 else None, markersize=3)
    validation = [float(row["validation_loss"]) for row in rows]
    best = min(range(len(rows)), key=lambda index: (math.isnan(validation[index]), validation[index]))
    axes.annotate(
        f"best: {validation[best]:.5g}\nepoch {epochs[best]}",
        (epochs[best], validation[best]),
        xytext=(0, 18),
        textcoords="offset points",
        ha="right" if best + 1 > 0.8 * len(rows) else "center",
        arrowprops={"arrowstyle": "-", "color": VALIDATION_COLOUR},
    )
    axes.set(xlabel="epoch", ylabel="loss of the master model", title=canvas.literal(f"{folder.name}: loss by epoch"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return canvas.save(figure, folder / "report" / "loss.png")
