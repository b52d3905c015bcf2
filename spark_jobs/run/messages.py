"""What a run says on the screen, made from its records."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys.errors import ConfigError, UserError

_LINE_SECONDS = 0.5  # between two epochs on the screen


def fail(error: UserError) -> int:
    """Prints an error that the user must correct and returns exit code 2."""
    prefix = "settings:\n" if isinstance(error, ConfigError) and "\n" in str(error) else ""
    print(f"howdah: {prefix}{error}", file=sys.stderr, flush=True)
    return 2


def describe_source(data: Any) -> str:
    """Where the ratings come from; for the screen before they are fetched, generated or read."""
    if data.ratings:
        return f"reading {data.ratings}"
    if data.dataset == "synthetic":
        where = f" in {data.data_dir}" if data.data_dir else ""
        return f"generated ratings in ml-25m's shape{where}: scale {data.scale:g}, seed {data.seed} ..."
    return f"reading {data.dataset}" + (f" in {data.data_dir}" if data.data_dir else "")


def describe_told(notes: Sequence[str]) -> str:
    """What was told from the first rows, a line each; for the screen before all rows are read."""
    return "\n".join(f"  {note}" for note in notes)


def describe_data(statistics: dict[str, Any]) -> str:
    """The rows and what they became, the selection, and what was rejected, in a few lines."""
    lines = [
        f"{rows_and_ratings(statistics)} of {statistics['movies']:,} movies by {statistics['users']:,} users, "
        f"density {statistics['density']:.3%}"
    ]
    expected = statistics.get("rows_expected")
    if expected not in (None, statistics["rows_read"]):
        lines.append(
            f"  {statistics['rows_read']:,} of the data set's {expected:,} rows were read: is the file complete?"
        )
    scale = statistics.get("scale")
    if scale and scale["widened"]:
        lines.append(f"  later rows widen the scale: ratings from {scale['min']:g} to {scale['max']:g}")
    lines += [f"  {line}" for line in not_used(statistics)]
    lines += _rejected("", statistics["rejected"]) + _rejected("movies ", statistics["movies_file"]["rejected"])
    if statistics["movies_file"]["undecodable_titles"]:
        count = statistics["movies_file"]["undecodable_titles"]
        lines.append(f"  {count:,} titles are not in the encoding of the file: try data.encoding = 'cp1252'")
    if "test_file" in statistics:
        lines.append(describe_test_file(statistics["test_file"]))
    if "time_split" in statistics:
        lines.append(describe_time_split(statistics["time_split"]))
    return "\n".join(lines)


def rows_and_ratings(statistics: Mapping[str, Any]) -> str:
    """The rows and what they became, such as "720 rows: 297 likes (ratings of 4 and more) of 720 ratings"."""
    kept, rows = statistics["ratings"], statistics["rows_read"]
    feedback, positive = statistics["feedback"], statistics["positive_from"]
    if positive is None:
        return f"{rows:,} rows: {kept:,} {feedback}"
    every = kept + statistics["not_selected"]["below_positive"]
    return f"{rows:,} rows: {kept:,} likes ({feedback} of {positive:g} and more) of {every:,} {feedback}"


def not_used(statistics: Mapping[str, Any]) -> list[str]:
    """Why rows that are no mistakes are not used, a line each reason."""
    lines = []
    if statistics["not_rated"]:
        lines.append(f"{statistics['not_rated']:,} rows say 'not rated'")
    if statistics["merged"]:
        lines.append(f"{statistics['merged']:,} rows repeat a user and a movie: each pair is one of the above")
    if outside := statistics["not_selected"]["outside_years"]:
        lines.append(f"{outside:,} ratings are of movies outside the years")
    if outside := statistics["not_selected"].get("outside_sample"):  # earlier versions had no samples
        lines.append(f"{outside:,} ratings are of users outside the sample (data.sample_ratings)")
    return lines


def describe_test_file(counts: dict[str, Any]) -> str:
    """How many rows of data.test_ratings are used, and why others are not."""
    line = f"{counts['used']:,} of {counts['rows_read']:,} rows of data.test_ratings are the test part"
    others = {key: counts[key] for key in ("not_selected", "repeated") if counts[key]}
    line += "".join(f", {count:,} {key.replace('_', ' ')}" for key, count in others.items())
    return "\n".join([line, *_rejected("test ", counts["rejected"])])


def describe_time_split(split: dict[str, Any]) -> str:
    """When each part of a split by time begins, and what it holds."""
    parts = []
    for part, ratings in split["ratings"].items():
        begins = split.get(f"{part}_from")
        parts.append(f"{ratings:,} {part}" + (f" from {begins} on" if begins else ""))
    line = f"split by time ({split['kind']}), ratings of {split['first']} to {split['last']}: {', '.join(parts)}"
    for part, left in split["without_history"].items():
        if left["users"]:
            line += (
                f"\n  {left['users']:,} {part} users have no earlier rating: they and their {left['ratings']:,} {part} "
                "ratings are not evaluated (data.split_time = 'user' evaluates every user)"
            )
    return line


def _rejected(rows: str, rejected: dict[str, Any]) -> list[str]:
    lines = []
    for reason, entry in rejected.items():
        first = entry["examples"][0] if entry["examples"] else None
        field = f" ({first['field']})" if first and first.get("field") else ""
        where = f", first at {first['file']} row {first['row']}{field}" if first else ""
        lines.append(f"  {rows}rejected as {reason}: {entry['count']:,}{where}")
    return lines


def describe_tfrecords(schema: Mapping[str, Any], asked: str) -> str:
    """How the ratings of TFRecord files are split. `asked` is the setting data.split."""
    train, test = (schema["ratings"][split] for split in ("train", "test"))
    how = {"time": "by time", "test_ratings": "by data.test_ratings"}.get(schema["split"])
    how = how or f"by chance (data.test_fraction = {schema['test_fraction']:g}, seed = {schema['seed']})"
    line = (
        f"tfrecord: {train:,} ratings to train and {test:,} ({test / (train + test):.1%}) to test, split {how}, in "
        f"{schema['shards']:,} shards each"
    )
    if asked == "user":
        line += "\n  data.split = 'user' is for rating arrays: in TFRecord files the ratings are split, not the users"
    return line


def describe_metrics(metrics: dict[str, Any]) -> str:
    """The evaluation as a small table."""
    parts = metrics["reconstruction"]
    divergence = "" if parts["divergence"] is None else f", divergence {parts['divergence']:+.2%}"
    lines = [f"{parts['loss']}: train {parts['train']:.6g}, test {parts['test']:.6g}{divergence}"]
    ratings = metrics["rating_prediction"]
    if "skipped" not in ratings:
        lines.append(f"held-out ratings ({ratings['ratings']:,}):  RMSE     MAE")
        for name in ("model", "fold_in", "user_movie_bias", "movie_mean", "global_mean"):
            figures_of = ratings.get(name, {"rmse": None})
            if figures_of["rmse"] is not None:
                lines.append(f"  {name.replace('_', ' '):<22}{figures_of['rmse']:>9.4f}{figures_of['mae']:>8.4f}")
    ranking = metrics["ranking"]
    figures = list(ranking["model"])
    lines.append(f"ranking ({ranking['users']:,} users):".ljust(24) + "".join(f"{name:>19}" for name in figures))
    for name in ("model", "popularity"):
        lines.append(f"  {name:<22}" + "".join(f"{_cell(ranking[name][figure]):>19}" for figure in figures))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, dict) and value["mean"] is None):
        return "-"
    if isinstance(value, dict):
        error = value["standard_error"]
        return f"{value['mean']:.4f}" + ("" if error is None else f" ± {error:.4f}")
    return f"{value:.1%}"


class Lines:
    """Epochs on the screen: at most two lines a second, and in any case the last epoch's."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._last, self._unsaid = -math.inf, ""

    def add(self, progress: object) -> None:
        """One more epoch."""
        self._unsaid = str(progress)
        now = self._clock()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            self.end()

    def end(self) -> None:
        """Says the last one, if it was not said."""
        if self._unsaid:
            self._say(self._unsaid)
        self._unsaid = ""


def time_text(seconds: float) -> str:
    """A duration in words, rounded."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def describe_trial(progress: Any) -> str:
    """A trial that has ended, the best so far, and the time that is left, in one line."""
    row, best = progress.row, progress.best
    what = f"{row.value:.6g}" if row.value is not None else f"{row.state}: {row.reason}"
    sample = f" on {row.fraction:.0%} of the users" if row.fraction < 1 else ""
    lead = (
        "" if best is None else ("  best" if best.number == row.number else f"  best {best.value:.6g} by {best.number}")
    )
    left = f"  about {time_text(progress.seconds_left)} left" if progress.seconds_left else ""
    return (
        f"  trial {row.number} ({progress.ended}/{progress.trials})  {progress.metric} {what}{sample}  "
        f"{row.seconds:.1f} s{lead}{left}"
    )


def describe_tuned(tuned: Any, run: Path) -> str:
    """What a study found: the best settings, and what they gain on the test part, in a few lines."""
    best = tuned.best
    lines = [f"best of {len(tuned.trials)} trials: {tuned.metric} {best.value:.6g} by trial {best.number}"]
    lines += [
        f"  {key} = {value:.4g}" if isinstance(value, float) else f"  {key} = {value}"
        for key, value in best.parameters.items()
    ]
    name = tuned.metric.removeprefix("validation_")
    for kind, text in (("default", "before"), ("tuned", "after")):
        if tested := tuned.final.get(kind):
            error = tested["standard_error"]
            within = "" if error is None else f" +- {error:.2g} over {len(tested['figures'])} seeds"
            lines.append(f"test {name} {text} tuning: {tested['mean']:.6g}{within}")
    lines.append(f"train with them: --config {run / 'best.toml'}")
    return "\n".join(lines)
