"""What howdah's jobs add to the report of a run: losses, metrics, sample recommendations, the data.

The monitor finds `EXTENSION` by the entry point group `howdah.monitor_sections`, and by the name that
`spark_jobs.common` writes into a run's resources/extensions.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor import Card, Extension, Section
from monitor.cost.run_files import read_rows
from monitor.formatting import UNKNOWN, counted, listed, part_of
from monitor.plots import Picture, canvas
from monitor.report import RunFiles
from monitor.report.findings import Finding
from monitor.report.markup import Html, described, shown, spoken, table, tag
from spark_jobs.comparison.columns import FIELDS
from spark_jobs.run.messages import not_used, rows_and_ratings

REFERENCE = f"{__name__}:EXTENSION"
_TRAIN_COLOUR, _VALIDATION_COLOUR, _TEST_COLOUR = "#1f77b4", "#d62728", "#7f7f7f"
_MOST_MOVIES = 20


def plot_losses(run: str | Path) -> Path | None:
    """Draws the losses by epoch from history.csv into report/loss.png; None without an epoch.

    They are those of training and validation, and of the test where it was measured.
    """
    folder = Path(run)
    return _draw_losses(folder, read_rows(folder / "history.csv"))


def _draw_losses(folder: Path, rows: Sequence[Mapping[str, str]]) -> Path | None:
    if not rows:
        return None
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) for row in rows]
    figure = canvas.new_figure(7, 4)
    axes = figure.subplots()
    lines = [("train", _TRAIN_COLOUR), ("validation", _VALIDATION_COLOUR)]
    lines += [("test", _TEST_COLOUR)] if rows[0].get("test_loss") else []
    for name, colour in lines:
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
        arrowprops={"arrowstyle": "-", "color": _VALIDATION_COLOUR},
    )
    axes.set(xlabel="epoch", ylabel="loss of the master model", title=canvas.literal(f"{folder.name}: loss by epoch"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return canvas.save(figure, folder / "report" / "loss.png")


def _tuning(run: RunFiles) -> Html | None:
    if not (run.path / "tune.json").is_file():
        return None
    from spark_jobs.tuning.page import tuning_section  # late: other runs need nothing of it

    return tuning_section(run.path)


def _losses(run: RunFiles) -> Picture | None:
    rows = run.read_rows("history.csv")
    path = _draw_losses(run.path, rows)
    if path is None:
        return None
    measured = [("training", "train_loss"), ("validation", "validation_loss")]
    measured += [("test", "test_loss")] if rows[0].get("test_loss") else []
    names = listed([name for name, _ in measured])
    last = listed([_rounded(rows[-1].get(key)) for _, key in measured])
    text = f"{names.capitalize()} loss over {counted(len(rows), 'epoch')}; after the last epoch {last}."
    return Picture(path, "Losses", text)


def _rounded(text: str | None) -> str:
    try:
        return f"{float(text or 'nan'):.6g}"
    except ValueError:
        return UNKNOWN


def _metrics(run: RunFiles) -> Html | None:
    metrics = run.read_object("metrics.json")
    return described(metrics, "Metrics") if metrics else None


def _statistics(run: RunFiles) -> Html | None:
    statistics = run.read_object("statistics.json")
    return described(statistics, "Statistics") if statistics else None


def _recommendations(run: RunFiles) -> Html | None:
    """The sample user: what was rated (the best) and what is recommended."""
    sample = run.read_object("recommendations.json") or {}
    rated, best = _movies(sample.get("rated")), _movies(sample.get("recommended"))
    if not rated and not best:
        return None
    user = "Somebody new" if sample.get("user") is None else f"User {sample['user']}"
    parts = []
    if best:
        parts.append(_movie_table(best, f"Recommended to {user[:1].lower()}{user[1:]}"))
    if rated:
        more = f", the first {_MOST_MOVIES}" if len(rated) > _MOST_MOVIES else ""
        parts.append(_movie_table(rated[:_MOST_MOVIES], f"{user} rated {len(rated):,}{more}"))
    return tag("div", *parts, class_="pair")


def _movies(value: object) -> list[Mapping[str, Any]]:
    return [movie for movie in value if isinstance(movie, Mapping)] if isinstance(value, list) else []


def _movie_table(movies: Sequence[Mapping[str, Any]], caption: str) -> Html:
    keys = list(dict.fromkeys(key for movie in movies for key in movie))
    ordered: list[str] = [key for key in ("rank", "title", "year", "rating") if key in keys]
    ordered += [key for key in keys if key not in ordered]
    if "title" in ordered:  # the title names the row
        ordered.remove("title")
        ordered.insert(0, "title")
    rows = [[_plain(movie.get(key), key) for key in ordered] for movie in movies]
    return table(caption, [spoken(key) for key in ordered], rows)


def _plain(value: object, key: str) -> object:
    # years and identifiers are names, not quantities
    if isinstance(value, int | float) and (key == "year" or key.endswith("_id")):
        return f"{value:.0f}" if float(value).is_integer() else str(value)
    return shown(value)


def _cards(run: RunFiles) -> list[Card]:
    """The epoch with the lowest validation loss."""
    rows = run.read_rows("history.csv")
    known: list[tuple[float, str]] = []
    for row in rows:
        try:
            loss = float(row["validation_loss"])
        except (KeyError, ValueError):
            continue
        if not math.isnan(loss):
            known.append((loss, str(row.get("epoch"))))
    if not known:
        return []
    loss, epoch = min(known, key=lambda found: found[0])
    return [Card("Best validation loss", f"{loss:.5g}", f"epoch {epoch} of {len(rows)}")]


def _findings(run: RunFiles) -> list[Finding]:
    """What became of the rows; warnings of those that were rejected, by reason."""
    statistics = run.read_object("statistics.json") or {}
    found = []
    if "feedback" in statistics:
        sentences = [rows_and_ratings(statistics), *not_used(statistics), *statistics["told"]]
        found += [Finding(f"{sentence[:1].upper()}{sentence[1:]}.") for sentence in sentences]
    for what, part in (("rating", statistics), ("movie", statistics.get("movies_file") or {})):
        reasons = part.get("rejected") if isinstance(part, Mapping) else None
        counts = {
            str(reason): int(rejected["count"])
            for reason, rejected in (reasons.items() if isinstance(reasons, Mapping) else ())
            if isinstance(rejected, Mapping) and rejected.get("count")
        }
        if counts:
            total, rows = sum(counts.values()), part.get("rows_read")
            of_all = f" of {rows:,} ({part_of(total, rows)})" if rows else ""
            ordered = sorted(counts, key=lambda reason: -counts[reason])
            which = listed([f"{reason} {counts[reason]:,}" for reason in ordered])
            were = "was" if total == 1 else "were"
            found.append(Finding(f"{counted(total, f'{what} row')}{of_all} {were} rejected: {which}.", warning=True))
    return found


EXTENSION = Extension(
    name="howdah",
    sections=(
        Section("tuning", "Tuning", after="notice", render=_tuning),
        Section("losses", "Losses", after="each", render=_losses),
        Section("metrics", "Metrics", after="losses", render=_metrics),
        Section("recommendations", "Sample recommendations", after="metrics", render=_recommendations),
        Section("statistics", "The data", after="recommendations", render=_statistics),
    ),
    cards=_cards,
    findings=_findings,
    comparison=FIELDS,
)
