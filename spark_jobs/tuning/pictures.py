"""Pictures of a study as a whole: the history of the best, what each key matters, what the trials cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from monitor.formatting import counted, duration, listed, percent
from monitor.plots import Picture, canvas
from recsys.tuning.results import COMPLETE, TrialRow
from spark_jobs.tuning.axes import (
    BEST_COLOUR,
    COLOURS,
    HEIGHTS,
    MOST_KEYS,
    beyond,
    marks_without_value,
    short_name,
    shown_value,
    value_axis,
    valued,
    whole_numbers,
)
from spark_jobs.tuning.study_files import STATES, Study, value_text


def plot_history(study: Study, path: Path) -> Picture | None:
    """Each trial's value, and the best one so far as a line; None where no trial has a value."""
    winner = study.winner
    if winner is None or winner.value is None:
        return None
    figure = canvas.new_figure(10.5, 4.4)
    axes = figure.subplots()
    value_axis(axes, study)
    whole = [row for row in valued(study) if row.fraction >= 1]
    part = [row for row in valued(study) if row.fraction < 1]
    size = 26 if len(study.trials) <= 100 else 12
    looks: Sequence[tuple[Sequence[TrialRow], dict[str, Any], str]] = (
        (whole, {"color": COLOURS[COMPLETE]}, "a trial"),
        (part, {"facecolors": "none", "edgecolors": COLOURS[COMPLETE]}, "a trial on some of the users"),
    )
    for rows, look, label in looks:
        if rows:
            axes.scatter(
                [row.number for row in rows], [shown_value(study, row) for row in rows], size, alpha=0.75, label=label,
                linewidths=1.0, **look,
            )  # fmt: skip
    steps = list(_best_so_far(study))
    last = max(row.number for row in study.trials)
    axes.step(
        [number for number, _ in steps] + [last + 0.5], [value for _, value in steps] + [steps[-1][1]], where="post",
        color=BEST_COLOUR, linewidth=1.8, label="best so far",
    )  # fmt: skip
    axes.scatter([winner.number], [winner.value], 150, marker="*", color=BEST_COLOUR, zorder=5)
    for state, offset in HEIGHTS.items():
        marks_without_value(axes, [row.number for row in study.in_state(state)], state, offset, size)
    axes.xaxis.set_major_locator(whole_numbers())
    axes.set(xlabel="trial", xlim=(min(row.number for row in study.trials) - 0.7, last + 0.7))
    axes.grid(alpha=0.25)
    canvas.legend_below(figure, [axes], 5)
    canvas.save(figure, path)
    text = (
        f"{study.metric} of {counted(len(whole) + len(part), 'trial')} in order; the best is trial {winner.number} "
        f"with {value_text(winner.value)}. {'More' if study.maximised else 'Less'} is better."
    )
    return Picture(path, "History of the best", text + beyond(study))


def plot_importance(study: Study, path: Path) -> Picture | None:
    """A bar for each key: the part of the values' variance that it explains; None where that is unknown."""
    known = sorted(study.importance.items(), key=lambda item: item[1])[-MOST_KEYS:]
    if not known:
        return None
    figure = canvas.new_figure(8.5, 1.1 + 0.34 * len(known))
    axes = figure.subplots()
    axes.barh([short_name(key) for key, _ in known], [100 * part for _, part in known], 0.7, color=COLOURS[COMPLETE])
    for y, (_, part) in enumerate(known):
        axes.annotate(
            percent(100 * part, 1 if part < 0.1 else 0), (100 * part, y), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize="small",
        )  # fmt: skip
    axes.set(xlabel="of the variance between trials (%)", xlim=(0, 112 * max(part for _, part in known) or 1))
    axes.grid(axis="x", alpha=0.25)
    canvas.save(figure, path)
    parts = [f"{key} {percent(100 * part)}" for key, part in reversed(known)]
    return Picture(
        path, "What matters", f"How much of the difference between trials each key explains: {listed(parts)}."
    )


def plot_costs(study: Study, path: Path) -> Picture | None:
    """Seconds of each trial, and of all trials in each state; None without a trial."""
    if not study.trials:
        return None
    figure = canvas.new_figure(10.5, 3.6)
    each, total = figure.subplots(1, 2, width_ratios=(3, 1))
    spent: list[tuple[str, float]] = []
    for state in STATES:
        rows = study.in_state(state)
        if not rows:
            continue
        spent.append((state, sum(row.seconds for row in rows)))
        each.scatter(
            [row.number for row in rows], [row.seconds for row in rows], 26 if len(study.trials) <= 100 else 10,
            color=COLOURS[state], alpha=0.75, label=state,
        )  # fmt: skip
    each.xaxis.set_major_locator(whole_numbers())
    each.set(xlabel="trial", ylabel="seconds")
    each.set_ylim(bottom=0)
    each.grid(alpha=0.25)
    total.barh([state for state, _ in spent], [seconds for _, seconds in spent], 0.6, color=[
        COLOURS[state] for state, _ in spent
    ])  # fmt: skip
    for y, (_, seconds) in enumerate(spent):
        total.annotate(
            duration(seconds), (seconds, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize="small"
        )
    total.set_xlim(0, 1.8 * max(seconds for _, seconds in spent) or 1)
    total.set(xlabel="seconds of all", ylim=(len(spent) - 0.3, -0.7))
    canvas.legend_below(figure, [each])
    canvas.save(figure, path)
    parts = [f"{counted(len(study.in_state(state)), f'{state} trial')} {duration(seconds)}" for state, seconds in spent]
    return Picture(path, "What trials cost", f"Seconds of each trial: {listed(parts)}.")


def _best_so_far(study: Study) -> Iterator[tuple[int, float]]:
    """The trials, on all users, at which the best value changed, and that value."""
    best: float | None = None
    for row in study.comparable:
        if row.value is not None and (best is None or study.better(row.value, best)):
            best = row.value
            yield row.number, best
