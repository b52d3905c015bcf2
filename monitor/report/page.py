"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monitor.plots import Picture
from monitor.report import figures, sections
from monitor.report.findings import Finding, memory_peak, phase_at
from monitor.report.markup import Html, described, joined, tag
from monitor.report.page_style import PAGE, STYLE
from monitor.report.runfiles import RunFiles


def page(
    run: RunFiles,
    found: Sequence[Finding],
    whole: Sequence[Picture],
    phases: Mapping[str, Picture],
    losses: Picture | None,
) -> str:
    """The page: `whole` are the pictures of the run, `phases` those of single phases by name."""
    parts: list[tuple[str, str, Html | None]] = [
        ("notice", "What to notice", _findings(found)),
        ("phases", "What the phases cost", sections.phase_table(run)),
        ("run", "The run over time", joined([_figure(one, "wide scroll") for one in whole]) if whole else None),
        ("each", "Phase by phase", _each_phase(run, phases)),
        ("losses", "Losses", _figure(losses) if losses else None),
        ("metrics", "Metrics", described(run.metrics, "Metrics") if run.metrics else None),
        ("recommendations", "Sample recommendations", sections.recommendations(run)),
        ("statistics", "The data", described(run.statistics, "Statistics") if run.statistics else None),
        ("spark", "Spark's stages", sections.stage_table(run)),
        ("samples", "How it was measured", sections.host_table(run)),
        ("settings", "Settings", _settings(run.config)),
        ("environment", "Environment", described(run.environment, "Environment") if run.environment else None),
    ]
    there = [(key, title, part) for key, title, part in parts if part]
    body = [tag("section", tag("h2", title, id=key), part, aria_labelledby=key) for key, title, part in there]
    links = [tag("li", tag("a", title, href=f"#{key}")) for key, title, _ in there]
    made = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return PAGE.substitute(
        title=html.escape(f"{run.name}: report"),
        style=STYLE,
        header=joined([tag("h1", run.name), _state(run), _headline(run)]),
        contents=tag("ul", *links),
        body="\n".join(body),
        footer=html.escape(f"Made by monitor on {made} from the files of {run.path}"),
    )


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
    good = "failed" if status == "failed" else "succeeded"
    return tag("p", tag("span", status, class_=f"status {good}"), *[f" · {fact}" for fact in facts])


def _headline(run: RunFiles) -> Html:
    total = run.costs.total
    cards: list[tuple[str, str, str | None]] = []
    cards.append(("Wall time", figures.duration(total.wall_seconds), figures.counted(len(run.costs.phases), "phase")))
    if total.cpu_seconds is not None:
        share = figures.percent(total.cpu_percent_mean)
        cards.append(("CPU time", figures.duration(total.cpu_seconds), f"{share} of {run.timeline.cores} cores"))
    peak = memory_peak(run)
    if peak:
        where = phase_at(run, peak.seconds) or "outside of any phase"
        share = figures.part_of(peak.pss_bytes, peak.limit_bytes)
        several = f" on {peak.host.host}" if len(run.timeline.hosts) > 1 else ""
        used = figures.gigabytes(peak.pss_bytes)
        cards.append((f"Peak memory{several} (PSS)", used, f"{share} of the limit, {where}"))
    if total.read_bytes is not None:
        cards.append(("Read from disk", figures.gigabytes(total.read_bytes), None))
        cards.append(("Written to disk", figures.gigabytes(total.write_bytes), None))
    best = _best_epoch(run.history)
    if best:
        cards.append(("Best validation loss", f"{best[1]:.5g}", f"epoch {best[0]} of {len(run.history)}"))
    shown = [
        tag("div", tag("dt", name), tag("dd", value, tag("small", more) if more else None))
        for name, value, more in cards
    ]
    return tag("dl", *shown, class_="figures")


def _best_epoch(history: Sequence[Mapping[str, str]]) -> tuple[str, float] | None:
    known = []
    for row in history:
        try:
            known.append((str(row["epoch"]), float(row["validation_loss"])))
        except (KeyError, ValueError):
            continue
    return min((one for one in known if one[1] == one[1]), key=lambda one: one[1], default=None)


def _findings(found: Sequence[Finding]) -> Html | None:
    items = [
        tag("li", tag("strong", "Mind: ") if one.warning else None, one.text, class_="warning" if one.warning else None)
        for one in found
    ]
    return tag("ul", *items, class_="findings") if items else None


def _each_phase(run: RunFiles, pictures: Mapping[str, Picture]) -> Html | None:
    if not run.timeline.hosts:
        return None
    shown = [_figure(pictures[row.phase]) for row in run.costs.phases if row.phase in pictures]
    short = [row.phase for row in run.costs.phases if row.phase not in pictures]
    note = f"Not drawn: {figures.listed(short, 12)}." if short else None
    intro = "CPU in green (left axis), memory in blue (right axis, from 0), over the seconds of each phase."
    return joined([tag("p", intro), tag("div", *shown, class_="pair"), tag("p", note, class_="soft") if note else None])


def _figure(picture: Picture, kind: str | None = None) -> Html:
    width, height = _size(picture.path)
    data = base64.b64encode(picture.path.read_bytes()).decode()
    image = tag("img", src=f"data:image/png;base64,{data}", alt=picture.text, width=width, height=height)
    box: dict[str, Any] = {}
    if kind:
        box = {"class_": kind, "tabindex": "0", "role": "region", "aria_label": picture.title}
    return tag("figure", tag("div", image, **box), tag("figcaption", picture.text))


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file, in pixels."""
    head = path.read_bytes()[16:24]
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")


def _settings(config: str | None) -> Html | None:
    if not config or not config.strip():
        return None
    code = tag("pre", tag("code", config))
    return tag("div", code, class_="scroll", tabindex="0", role="region", aria_label="config.toml")
