"""The laziness check: did a phase's Spark jobs run in it? A phase without a job has paid for nothing yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.report.figures import counted, listed, seconds
from monitor.report.runfiles import RunFiles
from monitor.report.timeline import Timeline


def laziness(run: RunFiles) -> list[str]:
    """Sentences on phases without jobs, jobs without a phase, and jobs that ran in another phase than their own."""
    if run.jobs is None:
        return []
    sentences = []
    idle = [row for row in run.costs.phases if not row.jobs]
    if idle and run.jobs:
        names = listed([f"{row.phase} ({seconds(row.wall_seconds)})" for row in idle], 10)
        sentences.append(
            f"No Spark job ran in {names}: what Spark has to do for {'it' if len(idle) == 1 else 'them'}, if anything, "
            "is paid for later."
        )
    if not run.jobs:
        sentences.append("No Spark job ran at all.")
    where = [(job, phase_of(job, run.timeline)) for job in run.jobs if job.get("submitted") is not None]
    outside = [job for job, phase in where if phase is None]
    if outside and run.timeline.spans:
        taken = sum(_seconds(job) for job in outside)
        sentences.append(
            f"{counted(len(outside), 'Spark job')} ({seconds(taken)}) ran outside of any phase; no phase has the cost."
        )
    known = {span.name for span in run.timeline.spans}
    moved: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for job, phase in where:
        own = job.get("phase")
        if own in known and not _going_on(job, str(own), run.timeline):
            moved.setdefault((str(own), phase or "no phase"), []).append(job)
    for (own, phase), jobs in moved.items():
        taken = sum(_seconds(job) for job in jobs)
        sentences.append(
            f"Work of {own} ran later: {counted(len(jobs), 'Spark job')} of it ({seconds(taken)}) in {phase}."
        )
    return sentences


def phase_of(job: Mapping[str, Any], timeline: Timeline) -> str | None:
    """The innermost phase in which a job was submitted."""
    moment = timeline.at_wall(float(job["submitted"])) + 0.001  # Spark cuts its times off to milliseconds
    around = [span for span in timeline.spans if span.start < moment <= span.end]
    return max(around, key=lambda span: (span.depth, span.start)).name if around else None


def _going_on(job: Mapping[str, Any], name: str, timeline: Timeline) -> bool:
    moment = timeline.at_wall(float(job["submitted"])) + 0.001
    return any(span.name == name and span.start < moment <= span.end for span in timeline.spans)


def _seconds(job: Mapping[str, Any]) -> float:
    completed = job.get("completed")
    return max(0.0, float(completed) - float(job["submitted"])) if completed is not None else 0.0
