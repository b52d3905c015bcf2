"""Runs as a comparison sees them: read, grouped by their settings, and named by what differs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import MonitorError
from monitor.report.runfiles import RunFiles

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORKERS = "training.workers"
# what does not change how a run goes
_ASIDE = ("name", "data.data_dir", "cost.")
_YEARS = ("data.year_from", "data.year_to")


@dataclass(frozen=True)
class Column:
    """The repeats of one setting. `workers` is None where no settings are known; `variant` names the other settings."""

    runs: tuple[RunFiles, ...]
    workers: int | None
    variant: str
    settings: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Such as 8W 1950–1960."""
        words = [f"{self.workers}W"] if self.workers is not None else []
        return " ".join([*words, self.variant] if self.variant else words) or "run"

    @property
    def middle(self) -> RunFiles:
        """The repeat with the middle wall time (of two the faster), to be shown for all."""
        return sorted(self.runs, key=wall_seconds)[(len(self.runs) - 1) // 2]


def wall_seconds(run: RunFiles) -> float:
    """What the whole run took: as the job says, otherwise from its first record to its last."""
    told = (run.ended or {}).get("seconds")
    return float(told) if isinstance(told, int | float) else run.costs.total.wall_seconds


def find_runs(paths: Sequence[str | Path]) -> list[Path]:
    """The runs that are named; a directory that the job compare left stands for the runs in it."""
    found: list[Path] = []
    for path in map(Path, paths):
        inner = path / "runs"
        if (path / "resources").is_dir() or not inner.is_dir():
            found.append(path)
            continue
        found += [one for one in sorted(inner.iterdir()) if (one / "resources").is_dir()]
    unique = list({path.resolve(): path for path in found}.values())
    if not unique:
        raise MonitorError("no run to compare: name run directories, or one that ./spark-submit.sh compare left")
    return unique


def columns_of(runs: Sequence[RunFiles]) -> list[Column]:
    """Groups runs whose settings, machine and commit are the same."""
    groups: dict[tuple[tuple[str, str], ...], list[RunFiles]] = {}
    settings: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for run in runs:
        found = settings_of(run)
        key = tuple(sorted((name, repr(value)) for name, value in found.items()))
        groups.setdefault(key, []).append(run)
        settings[key] = found
    differing = _differing(list(settings.values()))
    columns = [
        Column(tuple(members), _workers(settings[key]), _variant(settings[key], differing), settings[key])
        for key, members in groups.items()
    ]
    order = list(dict.fromkeys(column.variant for column in columns))
    return sorted(columns, key=lambda one: (order.index(one.variant), one.workers or 0))


def settings_of(run: RunFiles) -> dict[str, Any]:
    """Every setting that tells runs apart, flat: those of config.toml, and where and with which commit it ran."""
    if run.config is None:
        return {"run": run.name}
    try:
        tree = tomllib.loads(run.config)
    except tomllib.TOMLDecodeError as error:
        raise MonitorError(f"{run.path / 'config.toml'}: cannot be read: {error}") from None
    flat = {key: value for key, value in _flat(tree) if not key.startswith(_ASIDE)}
    environment = run.environment or {}
    spark = environment.get("spark") or {}
    master = str(spark.get("spark.master", ""))
    more = {
        "master": "local" if master.startswith("local") else master,
        "host": (environment.get("machine") or {}).get("host"),
        "commit": str(environment.get("git_commit") or "")[:12],
    }
    return flat | {key: value for key, value in more.items() if value}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        full = key if prefix == "spark." else f"{prefix}{key}"  # Spark's own names begin with spark.
        if isinstance(value, Mapping):
            yield from _flat(value, f"{full}.")
        else:
            yield full, value


def _workers(settings: Mapping[str, Any]) -> int | None:
    found = settings.get(WORKERS)
    return int(found) if isinstance(found, int) else None


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if key != WORKERS and len({repr(one.get(key)) for one in settings}) > 1]


def _variant(settings: Mapping[str, Any], differing: Sequence[str]) -> str:
    if differing and set(differing) <= {*_YEARS}:
        return "–".join(str(settings.get(key, "")) for key in _YEARS)
    words = []
    for key in differing:
        value = settings.get(key)
        if value is not None:
            words.append(str(value) if key in ("run", "host", "commit") else f"{short_key(key)}={value}")
        else:
            words.append(f"no {short_key(key)}")
    return ", ".join(words)


def short_key(key: str) -> str:
    """A key without its table; Spark's own names without their first word."""
    return key.removeprefix("spark.") if key.startswith("spark.") else key.rpartition(".")[2]
