"""What metrics.json says of the split: which ratings were held out, what was shown, and who could not be judged."""

from __future__ import annotations

from typing import Any

from recsys.config.run import Config
from recsys.data.examples import Examples
from recsys.data.split import VALIDATION
from recsys.data.time_split import iso_time


def split_protocol(examples: Examples, config: Config, role: int) -> str:
    """What is held out of the ratings for `role` (TEST or VALIDATION), and what is shown."""
    if examples.split_time is not None:
        return _time_protocol(examples, role)
    if config.data.test_ratings is not None:
        return f"the ratings of {config.data.test_ratings} held out, the other ratings shown"
    if examples.by_rating:
        return f"{config.data.test_fraction:.0%} of all ratings held out at random, the other ratings shown"
    shown = 1 - config.evaluation.holdout_fraction
    return f"test users unseen in training, {shown:.0%} of their ratings shown (fold-in), the rest held out"


def _time_protocol(examples: Examples, role: int) -> str:
    test, validation = f"{examples.test_fraction:.0%}", f"{examples.validation_fraction:.0%}"
    if examples.moments is None:
        latest = f"{validation} before the latest {test}" if role == VALIDATION else test
        return f"of each user's ratings the latest {latest} held out, the earlier ones shown"
    after, until = iso_time(examples.moments.test_after), ""
    what = f"the latest {test} of all"
    if role == VALIDATION:
        until = f" up to {after}"
        after = iso_time(examples.moments.validation_after)
        what = f"the latest {validation} of those up to then"
    return (
        f"the ratings after {after}{until} ({what}) held out, each user's ratings up to {after} shown, also of users "
        "unseen in training; users without any are left out (without_history)"
    )


def with_unjudged(metrics: dict[str, Any], time_split: dict[str, Any] | None, role: str) -> dict[str, Any]:
    """The same metrics with those whom a split by time leaves nothing to show of: `without_history`, users and ratings.

    `time_split` is the entry of statistics.json; None where the split is another.
    """
    if time_split is None:
        return metrics
    parts = ("rating_prediction", "ranking")
    unjudged = {part: {**metrics[part], "without_history": time_split["without_history"][role]} for part in parts}
    return {**metrics, **unjudged}
