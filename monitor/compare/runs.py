"""Runs as a comparison sees them: read, grouped by their settings, and named by what differs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.compare.fields import PLAIN, ComparisonFields
from monitor.cost.run_files import RunFiles
from monitor.errors import MonitorError
from monitor.extensions import find_extensions


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
    """What the whole run took: as run.json says, otherwise from its first record to its last."""
    seconds = (run.ended or {}).get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else run.costs.total.wall_seconds


def find_runs(paths: Sequence[str | Path]) -> list[Path]:
    """The runs that are named; a directory with a folder `runs` stands for the runs in that."""
    found: list[Path] = []
    for path in map(Path, paths):
        inner = path / "runs"
        if (path / "resources").is_dir() or not inner.is_dir():
            found.append(path)
            continue
        found += [run for run in sorted(inner.iterdir()) if (run / "resources").is_dir()]
    unique = list({path.resolve(): path for path in found}.values())
    if not unique:
        raise MonitorError("no run to compare: name run directories, or a directory whose folder runs/ holds them")
    return unique


def find_fields(runs: Sequence[RunFiles]) -> ComparisonFields:
    """What the settings of these runs mean: as the first extension says that is about comparisons."""
    for run in runs:
        for extension in find_extensions(run.resources).extensions:
            if extension.comparison is not None:
                return extension.comparison
    return PLAIN


def columns_of(runs: Sequence[RunFiles]) -> list[Column]:
    """Groups runs whose settings, machine and commit are the same."""
    fields = find_fields(runs)
    groups: dict[tuple[tuple[str, str], ...], list[RunFiles]] = {}
    settings: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for run in runs:
        found = settings_of(run, fields)
        key = tuple(sorted((name, repr(value)) for name, value in found.items()))
        groups.setdefault(key, []).append(run)
        settings[key] = found
    differing = _differing(list(settings.values()), fields.workers_key)
    columns = [
        Column(tuple(members), _workers(own, fields), fields.variant(own, differing) or _variant(own, differing), own)
        for members, own in ((groups[key], settings[key]) for key in groups)
    ]
    order = list(dict.fromkeys(column.variant for column in columns))
    return sorted(columns, key=lambda column: (order.index(column.variant), column.workers or 0))


def settings_of(run: RunFiles, fields: ComparisonFields = PLAIN) -> dict[str, Any]:
    """Every setting that distinguishes runs, flat: those of config.toml, and where and with which commit it ran."""
    if run.config is None:
        return {"run": run.name}
    flat = {key: value for key, value in _flat(_parsed(run)) if not key.startswith(fields.ignored)}
    environment = run.environment or {}
    spark = environment.get("spark") or {}
    master = str(spark.get("spark.master", ""))
    more = {
        "master": "local" if master.startswith("local") else master,
        "host": (environment.get("machine") or {}).get("host"),
        "commit": str(environment.get("git_commit") or "")[:12],
    }
    return flat | {key: value for key, value in more.items() if value}


def _parsed(run: RunFiles) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(run.config or "")
    except tomllib.TOMLDecodeError as error:
        raise MonitorError(f"{run.path / 'config.toml'}: cannot be read: {error}") from None


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        full = key if prefix == "spark." else f"{prefix}{key}"  # Spark's own names begin with spark.
        if isinstance(value, Mapping):
            yield from _flat(value, f"{full}.")
        else:
            yield full, value


def _workers(settings: Mapping[str, Any], fields: ComparisonFields) -> int | None:
    found = settings.get(fields.workers_key) if fields.workers_key else None
    return found if isinstance(found, int) else None


def _differing(settings: Sequence[Mapping[str, Any]], workers_key: str | None) -> list[str]:
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if key != workers_key and len({repr(each.get(key)) for each in settings}) > 1]


def _variant(settings: Mapping[str, Any], differing: Sequence[str]) -> str:
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
