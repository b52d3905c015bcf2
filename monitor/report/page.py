"""The report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from monitor import formatting as figures
from monitor.cost.phase_costs import PhaseCost
from monitor.cost.run_files import RunFiles
from monitor.extensions import Card, Section
from monitor.formatting import UNKNOWN, listed
from monitor.plots import Picture
from monitor.records import FAILED, SUCCEEDED
from monitor.report.findings import Finding, memory_peak, phase_at
from monitor.report.frame import PagePart, card_list, finding_list, framed, inserted
from monitor.report.markup import Html, described, figure, joined, table, tag


def page(
    run: RunFiles,
    found: Sequence[Finding],
    whole: Sequence[Picture],
    phases: Mapping[str, Picture],
    more: Sequence[tuple[Section, Html | None]] = (),
    cards: Sequence[Card] = (),
) -> str:
    """The page of a run.

    Args:
        run: The run.
        found: What a reader should notice.
        whole: The pictures of the whole run.
        phases: The pictures of single phases by name.
        more: Sections of extensions, rendered; None where there is nothing to show.
        cards: Figures of extensions, for the head of the page.
    """
    parts: list[PagePart] = [
        ("notice", "What to notice", finding_list(found)),
        ("phases", "What the phases cost", phase_table(run)),
        ("run", "The run over time", joined([figure(picture, "wide scroll") for picture in whole]) if whole else None),
        ("each", "Phase by phase", _each_phase(run, phases)),
        ("spark", "Spark's stages", stage_table(run)),
        ("samples", "How it was measured", host_table(run)),
        ("settings", "Settings", _settings(run.config)),
        ("environment", "Environment", described(run.environment, "Environment") if run.environment else None),
    ]
    for section, rendered in more:
        parts = inserted(parts, (section.name, section.title, rendered), section.after)
    header = [tag("h1", run.name), _state(run), _headline(run, cards)]
    return framed(f"{run.name}: report", header, parts, f"the files of {run.path}")


def _state(run: RunFiles) -> Html:
    timeline, ended = run.timeline, run.ended or {}
    status = str(ended.get("status") or ("failed" if run.costs.total.status != "done" else "done"))
    began = datetime.fromtimestamp(timeline.zero_wall, timezone.utc) if timeline.zero_wall > 0 else None
    facts = [f"began {began:%Y-%m-%d %H:%M:%S} UTC"] if began else []
    driver = timeline.driver
    if driver:
        memory = figures.gigabytes(driver.memory_total_bytes)
        facts.append(f"{driver.host}: {figures.counted(driver.cores, 'core')}, {memory} of memory")
    if len(timeline.hosts) > 1:
        facts.append(figures.counted(len(timeline.hosts), "host"))
    look = FAILED if status == FAILED else SUCCEEDED
    return tag("p", tag("span", status, class_=f"status {look}"), *[f" · {fact}" for fact in facts])


def _headline(run: RunFiles, more: Sequence[Card]) -> Html:
    total = run.costs.total
    cards: list[Card] = []
    cards.append(
        Card("Wall time", figures.duration(total.wall_seconds), figures.counted(len(run.costs.phases), "phase"))
    )
    if total.cpu_seconds is not None:
        used = figures.percent(total.cpu_percent_mean)
        cards.append(Card("CPU time", figures.duration(total.cpu_seconds), f"{used} of {run.timeline.cores} cores"))
    peak = memory_peak(run)
    if peak:
        where = phase_at(run, peak.seconds) or "outside of any phase"
        part = figures.part_of(peak.pss_bytes, peak.limit_bytes)
        several = f" on {peak.host.host}" if len(run.timeline.hosts) > 1 else ""
        used = figures.gigabytes(peak.pss_bytes)
        cards.append(Card(f"Peak memory{several} (PSS)", used, f"{part} of the limit, {where}"))
    if total.read_bytes is not None:
        cards.append(Card("Read from disk", figures.gigabytes(total.read_bytes), None))
        cards.append(Card("Written to disk", figures.gigabytes(total.write_bytes), None))
    cards += more
    return card_list(cards)


def _each_phase(run: RunFiles, pictures: Mapping[str, Picture]) -> Html | None:
    if not run.timeline.hosts:
        return None
    shown = [figure(pictures[row.phase]) for row in run.costs.phases if row.phase in pictures]
    short = [row.phase for row in run.costs.phases if row.phase not in pictures]
    note = f"Not drawn: {figures.listed(short, 12)}." if short else None
    intro = "CPU in green (left axis), memory in blue (right axis, from 0), over the seconds of each phase."
    return joined([tag("p", intro), tag("div", *shown, class_="pair"), tag("p", note, class_="soft") if note else None])


def _settings(config: str | None) -> Html | None:
    if not config or not config.strip():
        return None
    code = tag("pre", tag("code", config))
    return tag("div", code, class_="scroll", tabindex="0", role="region", aria_label="config.toml")


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
_MOST_STAGES = 15


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


def stage_table(run: RunFiles) -> Html | None:
    """Spark's own figures of the stages that took longest."""
    ran = [stage for stage in run.stages or () if stage.submitted is not None]  # others were skipped
    stages = sorted(ran, key=lambda stage: -stage.executor_run_seconds)
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
            f"{stage.stage}: {stage.name}",
            stage.phase or UNKNOWN,
            (stage.status or UNKNOWN).lower(),
            *[_scaled(getattr(stage, key), size) for key, _, size in columns],
        )
        for stage in stages[:_MOST_STAGES]
    ]
    more = f", the {_MOST_STAGES} that took longest" if len(stages) > _MOST_STAGES else ""
    caption = f"Spark's own figures of {len(stages):,} stages{more}, summed over tasks"
    return table(caption, ("stage", "phase", "status", *[title for _, title, _ in columns]), rows)


def _scaled(value: float, size: float) -> str:
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
