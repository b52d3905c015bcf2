"""Pictures of a run, made from its files. Matplotlib is imported when a picture is drawn, and needs no screen."""

from __future__ import annotations

import csv
from pathlib import Path

TRAIN_COLOUR, VALIDATION_COLOUR = "#1f77b4", "#d62728"


def plot_losses(run: str | Path) -> Path | None:
    """Draws training and validation loss by epoch from history.csv into report/loss.png; None without an epoch."""
    folder = Path(run)
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) for row in rows]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, colour in (("train", TRAIN_COLOUR), ("validation", VALIDATION_COLOUR)):
        losses = [float(row[f"{name}_loss"]) for row in rows]
        axes.plot(epochs, losses, color=colour, label=name, marker="o" if len(rows) <= 25 else None, markersize=3)
    validation = [float(row["validation_loss"]) for row in rows]
    best = min(range(len(rows)), key=validation.__getitem__)
    axes.annotate(
        f"best: {validation[best]:.5g}\nepoch {epochs[best]}",
        (epochs[best], validation[best]),
        xytext=(0, 18),
        textcoords="offset points",
        ha="right" if best > 0.8 * len(rows) else "center",
        arrowprops={"arrowstyle": "-", "color": VALIDATION_COLOUR},
    )
    axes.set(xlabel="epoch", ylabel="loss of the master model", title=f"{folder.name}: loss by epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path = folder / "report" / "loss.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)
    return path
