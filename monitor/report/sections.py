"""Sections of the report's page that need a table of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.report.cost import PhaseCost
from monitor.report.figures import UNKNOWN, listed
from monitor.report.markup import Html, joined, shown, spoken, table, tag
from monitor.report.runfiles import RunFiles

# column of PhaseCost, heading, digits, what it is divided by
_COLUMNS: tuple[tuple[str, str, int, float], ...] = (
    ("wall_seconds", "wall time (s)", 2, 1),
    ("cpu_seconds", "CPU time (s)", 2, 1),
    ("cpu_percent_mean", "CPU mean (%)", 1, 1),
    ("cpu_percent_peak", "CPU peak (%)", 1, 1),
    ("busy_cores_mean", "busy cores", 2, 1),
    ("pss_start_bytes", "PSS at start (GB)", 2, 1e9),
    ("pss_gained_bytes", "PSS gained (GB)", 2, 1e9),
    ("pss_peak_bytes", "PSS peak (GB)", 2, 1e9),
    ("rss_peak_bytes", "RSS peak (GB)", 2, 1e9),
    ("pss_peak_driver_bytes", "driver's Python peak (GB)", 2, 1e9),
    ("pss_peak_jvm_bytes", "JVM peak (GB)", 2, 1e9),
    ("pss_peak_worker_bytes", "workers' peak (GB)", 2, 1e9),
    ("read_bytes", "read (MB)", 1, 1e6),
    ("write_bytes", "written (MB)", 1, 1e6),
    ("gc_seconds", "GC (s)", 2, 1),
    ("spill_bytes", "spilled (MB)", 1, 1e6),
    ("jobs", "Spark jobs", 0, 1),
    ("samples", "samples", 0, 1),
    ("missed_samples", "missed", 0, 1),
)
_MOST_STAGES, _MOST_MOVIES = 15, 20


def phase_table(run: RunFiles) -> Html:
    """A row a phase and the total; columns of which nothing is known are left out."""
    rows = (*run.costs.phases, run.costs.total)
    known = [column for column in _COLUMNS if any(getattr(row, column[0]) is not None for row in rows)]
    cells = [(_phase_name(row), *[_number(row, *column) for column in known]) for row in rows]
    header = ("phase", *[title for _, title, _, _ in known])
    gone = "" if run.timeline.hosts else " No samples were taken: CPU and memory are unknown."
    caption = (
        "Cost by phase. CPU in % of all cores; memory is PSS of the run's processes, which counts shared pages once; "
        f"{UNKNOWN} is unknown. Phases within phases are part of those around them.{gone}"
    )
    return table(caption, header, cells, last_is_total=True)


def _phase_name(row: PhaseCost) -> Html:
    more = [row.status] if row.status != "done" else []
    more += [f"{row.times} times"] if row.times > 1 else []
    more += [f"in {row.within}"] if row.within else []
    return joined([row.phase, tag("small", f" ({', '.join(more)})") if more else None])


def _number(row: PhaseCost, name: str, _title: str, digits: int, size: float) -> str:
    value = getattr(row, name)
    return UNKNOWN if value is None else f"{value / size:,.{digits}f}"


def recommendations(run: RunFiles) -> Html | None:
    """The sample user: what was rated (the best) and what is recommended."""
    told = run.recommendations or {}
    rated, best = _records(told.get("rated")), _records(told.get("recommended"))
    if not rated and not best:
        return None
    who = "Somebody new" if told.get("user") is None else f"User {told['user']}"
    parts = []
    if best:
        parts.append(_movies(best, f"Recommended to {who[:1].lower()}{who[1:]}"))
    if rated:
        more = f", the first {_MOST_MOVIES}" if len(rated) > _MOST_MOVIES else ""
        parts.append(_movies(rated[:_MOST_MOVIES], f"{who} rated {len(rated):,}{more}"))
    return tag("div", *parts, class_="pair")


def _records(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _movies(movies: Sequence[Mapping[str, Any]], caption: str) -> Html:
    keys = list(dict.fromkeys(key for movie in movies for key in movie))
    ordered: list[str] = [key for key in ("rank", "title", "year", "rating") if key in keys]
    ordered += [key for key in keys if key not in ordered]
    if "title" in ordered:  # the title names the row
        ordered.remove("title")
        ordered.insert(0, "title")
    rows = [[_plain(movie.get(key), key) for key in ordered] for movie in movies]
    return table(caption, [spoken(key) for key in ordered], rows)


def _plain(value: Any, key: str) -> Any:
    # years and identifiers are names, not quantities
    if isinstance(value, int | float) and (key == "year" or key.endswith("_id")):
        return f"{value:.0f}" if float(value).is_integer() else str(value)
    return shown(value)


def stage_table(run: RunFiles) -> Html | None:
    """Spark's own figures of the stages that took longest."""
    ran = [one for one in run.stages or [] if one.get("submitted") is not None]  # others were skipped
    stages = sorted(ran, key=lambda one: -float(one.get("executor_run_seconds") or 0))
    if not stages:
        return None
    columns: tuple[tuple[str, str, float], ...] = (
        ("tasks", "tasks", 1),
        ("failed_tasks", "failed", 1),
        ("executor_run_seconds", "run time (s)", 1),
        ("executor_cpu_seconds", "JVM CPU (s)", 1),
        ("gc_seconds", "GC (s)", 1),
        ("input_bytes", "input (MB)", 1e6),
        ("shuffle_read_bytes", "shuffle read (MB)", 1e6),
        ("shuffle_write_bytes", "shuffle written (MB)", 1e6),
        ("disk_spill_bytes", "spilled (MB)", 1e6),
        ("peak_execution_memory_bytes", "peak execution memory (MB)", 1e6),
    )
    rows = [
        (
            f"{one.get('stage')}: {one.get('name') or ''}",
            one.get("phase") or UNKNOWN,
            str(one.get("status") or UNKNOWN).lower(),
            *[_scaled(one.get(key), size) for key, _, size in columns],
        )
        for one in stages[:_MOST_STAGES]
    ]
    more = f", the {_MOST_STAGES} that took longest" if len(stages) > _MOST_STAGES else ""
    caption = f"Spark's own figures of {len(stages):,} stages{more}, summed over tasks"
    return table(caption, ("stage", "phase", "status", *[title for _, title, _ in columns]), rows)


def _scaled(value: Any, size: float) -> str:
    if not isinstance(value, int | float):
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) and size == 1 else f"{value / size:,.1f}"


def host_table(run: RunFiles) -> Html | None:
    """The hosts, how well they were watched, and what the watching cost."""
    rows = [
        (
            host.host,
            host.role,
            host.cores,
            f"{host.memory_total_bytes / 1e9:,.1f}",
            f"every {host.interval_seconds:g} s",
            f"{len(host.points):,}",
            f"{host.missed:,}",
            f"{host.own_cpu_seconds:,.2f}",
            _clock(host.clock_offset_seconds, host.clock_error_seconds),
        )
        for host in run.timeline.hosts
    ]
    if not rows and not run.timeline.without_data:
        return None
    header = ("host", "role", "cores", "memory (GB)", "sampled", "samples", "missed", "monitor's CPU (s)", "clock")
    missing = f"No data came from {listed(run.timeline.without_data)}." if run.timeline.without_data else None
    return joined([table("Hosts and their samples", header, rows), tag("p", missing) if missing else None])


def _clock(offset: float | None, error: float | None) -> str:
    if offset is None:
        return UNKNOWN
    return f"{offset:+.3f} s" + ("" if error is None else f" ± {error:.3f} s")
