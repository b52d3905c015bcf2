"""The page of a study: what was found, how, and what it cost. It reads the run directory alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monitor import Card
from monitor.formatting import UNKNOWN, counted, duration, percent, seconds
from monitor.plots import Picture
from monitor.report.findings import Finding
from monitor.report.frame import PagePart, card_list, finding_list, framed, write_text
from monitor.report.markup import Html, figure, joined, table, tag
from recsys.config.search import Range
from recsys.tuning.folder import TRIALS
from recsys.tuning.importance import update_importance
from recsys.tuning.results import TrialRow
from spark_jobs.launcher.installation import PROGRAM
from spark_jobs.tuning.findings import estimate, findings, gained
from spark_jobs.tuning.key_pictures import plot_parallel, plot_slices
from spark_jobs.tuning.pictures import plot_costs, plot_history, plot_importance
from spark_jobs.tuning.study_files import STATES, Study, read_study, value_text

PAGE = "tuning.html"
SAMPLES = "resources/samples.jsonl"
_MOST_TRIALS = 20
_PICTURES = {
    "history": plot_history, "importance": plot_importance, "parallel": plot_parallel, "slices": plot_slices,
    "costs": plot_costs,
}  # fmt: skip


def write_page(run: str | Path) -> Path:
    """Writes report/tuning.html and its pictures into the run directory of a study, finished, stopped or going on.

    importance.json is written as well, where trials have ended since.

    Returns:
        The path of the page.

    Raises:
        UserError: `run` is not a tuning run.
    """
    update_importance(read_study(run).path)
    study = read_study(run)
    folder = study.path / "report"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("tuning-*.png"):  # of a page made earlier
        old.unlink()
    drawn = {name: plot(study, folder / f"tuning-{name}.png") for name, plot in _PICTURES.items()}
    pictures = {name: picture for name, picture in drawn.items() if picture}
    page = folder / PAGE
    write_text(page, tuning_page(study, findings(study), pictures))
    return page


def tuning_page(study: Study, found: Sequence[Finding], pictures: Mapping[str, Picture]) -> str:
    """The page, from what is known of the study, what a reader should notice of it, and its pictures by name."""

    def shown(name: str) -> Html | None:
        return figure(pictures[name], "wide scroll") if name in pictures else None

    parts: list[PagePart] = [
        ("notice", "What to notice", finding_list(found)),
        ("test", "Before and after, on the test", _test(study)),
        ("ranked", "Best trials", _ranked(study)),
        ("history", "History of the best", shown("history")),
        ("matters", "What matters", _matters(study, shown("importance"))),
        ("parallel", "All trials side by side", shown("parallel")),
        ("slices", "Key by key", shown("slices")),
        ("costs", "What trials cost", shown("costs")),
        ("best", "The best settings", _best(study)),
    ]
    # a run that is not sampled has no report
    report = [" · ", tag("a", "report of the run", href="index.html")] if (study.path / SAMPLES).is_file() else []
    about = tag("p", _about(study), *report)
    header = [tag("h1", study.name), about, card_list(cards(study))]
    return framed(f"{study.name}: tuning", header, parts, f"the files of {study.path}")


def cards(study: Study) -> list[Card]:
    """The figures at the head of the page."""
    winner, found = study.winner, []
    if winner:
        found.append(Card(f"Best {study.metric}", value_text(winner.value), f"trial {winner.number}"))
    gain, final = gained(study), study.final
    if gain and final:
        found.append(Card("On the test", estimate(final["tuned"]), f"before tuning {estimate(final['default'])}"))
    if final and isinstance(final.get("best_reachable_rmse"), float):
        found.append(Card("Best reachable RMSE", f"{final['best_reachable_rmse']:.4f}", "of the generated ratings"))
    states = [f"{len(study.in_state(state)):,} {state}" for state in STATES if study.in_state(state)]
    found.append(Card("Trials", f"{len(study.trials):,}", ", ".join(states) or None))
    if study.trials:
        spent = sum(row.seconds for row in study.trials)
        parallel = study.settings.get("parallel")
        beside = f", {parallel} at a time" if isinstance(parallel, int) and parallel > 1 else ""
        each = f"{seconds(spent / len(study.trials))} each{beside}"
        found.append(Card("Time of all trials", duration(spent), each))
    return found


def _about(study: Study) -> str:
    parts = [f"{key} {study.settings[key]}" for key in ("sampler", "pruner", "seed") if key in study.settings]
    aim = "as high as possible" if study.maximised else "as low as possible"
    return f"{study.metric} {aim} · {' · '.join(parts)}" if parts else f"{study.metric} {aim}"


def _test(study: Study) -> Html | None:
    """The figures of every seed, with the tuned settings and with those before."""
    final = study.final
    if not final or not gained(study):
        return None
    rows = []
    for name, title in (("tuned", "tuned settings"), ("default", "settings before")):
        figures = final[name].get("figures") or []
        rows.append((title, estimate(final[name]), *[value_text(value) for value in figures]))
    most = max(len(row) for row in rows)
    filled = [(*row, *[UNKNOWN] * (most - len(row))) for row in rows]
    caption = (
        f"{final.get('metric') or study.metric} of the test, which no trial saw: trained on training and validation "
        "data, once for each seed. Mean and standard error."
    )
    return table(caption, ("", "mean", *[f"seed {number + 1}" for number in range(most - 2)]), filled)


def _ranked(study: Study) -> Html | None:
    """The best trials with their settings; all of them stand in trials.csv."""
    rows = study.ranked[:_MOST_TRIALS]
    if not rows:
        return None
    sampled = any(row.fraction < 1 for row in study.trials)
    header = ["trial", "rank", study.metric, "epochs", "seconds", *(["users"] if sampled else []), *study.keys]
    cells = [_cells(study, row, sampled) for row in rows]
    more = f", the first {len(rows)} of {len(study.ranked):,}" if len(study.ranked) > len(rows) else ""
    link = tag("p", "All of them: ", tag("a", TRIALS, href=f"../{TRIALS}"))
    return joined([table(f"Trials by {study.metric}{more}", header, cells), link])


def _cells(study: Study, row: TrialRow, sampled: bool) -> tuple[object, ...]:
    users = [percent(100 * row.fraction)] if sampled else []
    settings = [value_text(row.parameters.get(key)) for key in study.keys]
    return f"trial {row.number}", row.rank, value_text(row.value), row.epochs, f"{row.seconds:,.1f}", *users, *settings


def _matters(study: Study, picture: Html | None) -> Html | None:
    """What was searched, and how much each key matters."""
    if not study.space:
        return None
    winner = study.winner
    rows = []
    for key in study.keys:
        entry = study.space[key]
        if isinstance(entry, Range):
            low, high = map(value_text, entry.ends)
            where, scale = f"{low} to {high}", entry.scale.replace("_", " ")
        else:
            where, scale = ", ".join(value_text(entry.value(label)) for label in entry.labels), "choices"
        part = study.importance.get(key)
        share = UNKNOWN if part is None else percent(100 * part, 1 if part < 0.1 else 0)
        best = value_text(winner.parameters.get(key)) if winner else UNKNOWN
        rows.append((key, where, scale, value_text(study.default(key)), best, share))
    caption = "What was searched. Importance is the part of the variance between trials that a key explains."
    known = table(caption, ("key", "range", "scale", "before", "best", "importance"), rows)
    why = None
    if not study.importance and study.trials:
        why = tag("p", "Importance takes two keys and 8 complete trials at least.", class_="soft")
    return joined([picture, known, why])


def _best(study: Study) -> Html | None:
    if not study.best:
        return None
    command = f"{PROGRAM} train --config {study.path / 'best.toml'}"
    code = tag("pre", tag("code", study.best))
    return joined(
        [
            tag("p", "best.toml, every setting of the best trial. This trains with it:"),
            tag(
                "div",
                tag("pre", tag("code", command)),
                class_="scroll",
                tabindex="0",
                role="region",
                aria_label="command",
            ),
            tag("div", code, class_="scroll", tabindex="0", role="region", aria_label="best.toml"),
        ]
    )


def tuning_section(run: Path) -> Html:
    """The section of a study's own report that leads to its page. UserError where the run is no study."""
    study = read_study(run)
    link = tag("p", tag("a", f"The page of the study, with {counted(len(study.trials), 'trial')}", href=PAGE))
    return joined([card_list(cards(study)), link])
