"""What a reader of a study should notice, in plain sentences with figures."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from monitor.formatting import counted, duration, listed, percent
from monitor.report.findings import Finding
from recsys.tuning.results import FAILED, PRUNED
from spark_jobs.tuning.study_files import Study, value_text

_LATE = 0.2  # the last part of the trials: a best one in it says that the search was going on
_FEW_TRIALS = 10  # for each key: fewer are hardly a search
_MOST_REASONS = 3
_AGREEING = 0.3  # rank correlation of losses and values: with less, losses say little of values


def findings(study: Study) -> list[Finding]:
    """All of them, those that warn first."""
    found = [*_winner(study), *_notes(study), *_gain(study), *_more(study), *_failed(study), *_pruned(study)]
    return sorted(found, key=lambda finding: not finding.warning)


def gained(study: Study) -> tuple[float, float | None] | None:
    """How much better the tuned settings are on the test than those before, and the standard error of that; a
    difference below 0 is a loss. None where that was not measured."""
    if study.final is None:
        return None
    means = [_number(_part(study.final, name), "mean") for name in ("tuned", "default")]
    tuned, before = means
    if tuned is None or before is None:
        return None
    errors = [_number(_part(study.final, name), "standard_error") for name in ("tuned", "default")]
    known = [error for error in errors if error is not None]
    difference = tuned - before if study.maximised else before - tuned
    return difference, math.hypot(*known) if len(known) == 2 else None


def _winner(study: Study) -> Iterator[Finding]:
    winner = study.winner
    if winner is None:
        trials = counted(len(study.trials), "trial")
        yield Finding(
            f"None of {trials} has a value: nothing was found." if study.trials else "No trial has ended.", True
        )
        return
    settings = listed([f"{key} = {value_text(value)}" for key, value in winner.parameters.items()], 12)
    yield Finding(f"Trial {winner.number} is the best: {study.metric} {value_text(winner.value)} with {settings}.")
    if study.unchanged:
        yield Finding("These are the settings that the study began with: none that it tried is better.")


def _notes(study: Study) -> Iterator[Finding]:
    """What the study itself said, such as that a best value lies at a bound of its range."""
    for note in (study.final or {}).get("notes", []):
        yield Finding(f"{note}.", True)


def _gain(study: Study) -> Iterator[Finding]:
    found = gained(study)
    if found is None or study.final is None:
        if study.winner:
            yield Finding("The best settings have not been tested: their value is the best of many on validation data.")
        return
    gain, error = found
    tuned, before = (_part(study.final, name) for name in ("tuned", "default"))
    metric = str(study.final.get("metric") or study.metric)
    change = 100 * abs(gain) / abs(before["mean"]) if before["mean"] else 0.0
    text = (
        f"On the test {metric} is {estimate(tuned)} with the tuned settings and {estimate(before)} with those before: "
    )
    if study.unchanged:
        yield Finding(f"On the test {metric} is {estimate(tuned)} with them.")
    elif gain <= 0:
        yield Finding(f"{text}tuning gained nothing there.", True)
    if study.unchanged or gain <= 0:
        return
    text += f"{percent(change, 1)} better"
    if error is None:
        yield Finding(f"{text}. With one seed nobody knows how much of that is chance: --seeds 3 says it.")
    elif gain < 2 * error:
        yield Finding(f"{text}, which is less than two standard errors ({value_text(error)}): it may be chance.", True)
    else:
        yield Finding(f"{text}, {gain / error:.1f} standard errors." if error else f"{text}.")


def _more(study: Study) -> Iterator[Finding]:
    """Whether more trials would find more."""
    comparable, winner = study.comparable, study.winner
    if winner is None:
        return
    keys, count = len(study.space), len(study.trials)
    if study.settings.get("sampler") == "grid":
        return
    if count < _FEW_TRIALS * keys:
        text = f"{counted(count, 'trial')} for {counted(keys, 'key')} are few: {_FEW_TRIALS * keys} say more."
        yield Finding(text)
        return
    later = sum(row.number > winner.number for row in comparable)
    if later < _LATE * len(comparable):
        yield Finding(
            f"The best trial came late, with {later:,} of {len(comparable):,} after it: more trials would likely find "
            "better settings."
        )
    else:
        yield Finding(
            f"The {counted(later, 'trial')} after the best one found nothing better: more trials in these ranges would "
            "likely gain little."
        )


def _failed(study: Study) -> Iterator[Finding]:
    failed = study.in_state(FAILED)
    if not failed:
        return
    # figures differ from trial to trial where the reason is the same
    alike = Counter(re.sub(r"\d[\d.,e+-]*", "…", row.reason) for row in failed)
    first = {re.sub(r"\d[\d.,e+-]*", "…", row.reason): row.reason for row in reversed(failed)}
    shown = [
        f"{first[text].rstrip('.') or 'no reason is known'} ({counted(count, 'trial')})"
        for text, count in alike.most_common(_MOST_REASONS)
    ]
    others = sum(alike.values()) - sum(count for _, count in alike.most_common(_MOST_REASONS))
    more = f"; other reasons ({counted(others, 'trial')})" if others else ""
    of_all = f"{counted(len(failed), 'trial')} of {len(study.trials):,} failed"
    yield Finding(f"{of_all}: {'; '.join(shown)}{more}.", warning=len(failed) * 4 > len(study.trials))


def _pruned(study: Study) -> Iterator[Finding]:
    pruned = study.in_state(PRUNED)
    complete = [row for row in study.trials if row.value is not None]
    if not pruned or not complete:
        return
    whole = median(row.seconds for row in complete)
    saved = sum(whole - row.seconds for row in pruned)
    text = f"Of {counted(len(study.trials), 'trial')} {len(pruned):,} ended early, given up for their losses"
    yield Finding(f"{text}: about {duration(saved)} less than whole ones take." if saved > 0 else f"{text}.")
    agreement = _agreement(study)
    if agreement is not None and agreement < _AGREEING:
        yield Finding(
            f"Trials are given up by their validation loss, which does not go with {study.metric} here (rank "
            f"correlation {agreement:.2f}): better ones may be among them. --pruner none gives up none.",
            warning=True,
        )


def _agreement(study: Study) -> float | None:
    """The rank correlation of loss and value over the comparable trials, 1 where the lowest loss has the best value;
    None of few trials."""
    import numpy as np

    rows = [row for row in study.comparable if row.number in study.losses and row.value is not None]
    if len(rows) < _FEW_TRIALS:
        return None
    values = np.array([row.value for row in rows], float) * (-1 if study.maximised else 1)
    ranks = [one.argsort().argsort() for one in (values, np.array([study.losses[row.number] for row in rows]))]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def estimate(figures: Mapping[str, Any]) -> str:
    """A mean and its standard error."""
    mean, error = _number(figures, "mean"), _number(figures, "standard_error")
    if mean is None:
        return "–"
    return f"{mean:.4f} ± {error:.4f}" if error is not None else f"{mean:.4f}"


def _part(final: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = final.get(name)
    return part if isinstance(part, Mapping) else {}


def _number(figures: Mapping[str, Any], name: str) -> float | None:
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
