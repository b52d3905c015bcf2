"""Which keys matter: the part of the variance between trials that each explains (fANOVA)."""

from __future__ import annotations

from pathlib import Path

from recsys.config.search import read_space
from recsys.json_files import read_json, write_json
from recsys.tuning.folder import IMPORTANCE, NOTES, SPACE, TRIALS
from recsys.tuning.journal import JOURNAL, read_journal
from recsys.tuning.points import name_in_study

_AT_LEAST = 8  # complete trials


def write_importance(folder: Path) -> dict[str, float]:
    """Computes the importance of each key from a study's journal, and keeps it in importance.json.

    The study may be finished, stopped or going on.

    Args:
        folder: of the study.

    Returns:
        By key which part of the figure's variance it explains alone and with others; the largest first. It is of the
        complete trials on one and the same part of the users: empty for fewer than 8 of them, or for one key.
    """
    found = _importance(folder)
    write_json(folder / IMPORTANCE, found)
    return found


def update_importance(folder: Path) -> None:
    """Writes importance.json again where trials have ended since, or where it was never written."""
    if not (folder / JOURNAL).is_file() or not (folder / TRIALS).is_file():
        return
    kept = folder / IMPORTANCE
    if not kept.is_file() or kept.stat().st_mtime_ns < (folder / TRIALS).stat().st_mtime_ns:
        write_importance(folder)


def _importance(folder: Path) -> dict[str, float]:
    import optuna

    notes, space = read_json(folder / NOTES), read_space(folder / SPACE)
    trials = read_journal(folder)
    complete = [one for one in trials if one.state == optuna.trial.TrialState.COMPLETE]
    complete = [one for one in complete if one.user_attrs.get("fraction") == notes["fraction"]]
    if len(complete) < _AT_LEAST or len(space) < 2:
        return {}
    alone = optuna.create_study(direction=notes["direction"])
    alone.add_trials(complete)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=notes["seed"] % 2**31)
    try:
        found = optuna.importance.get_param_importances(alone, evaluator=evaluator)
    except (ValueError, RuntimeError):  # all figures are the same
        return {}
    keys = {name_in_study(key, entry): key for key, entry in space.items()}
    return {keys[name]: round(float(part), 6) for name, part in found.items()}
