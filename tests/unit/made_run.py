"""Records of a run made by hand, for tests of costs and reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monitor.extensions import write_extensions
from monitor.records import Begin, CgroupUsage, End, MachineUsage, PhaseRecord, RoleUsage, Sample, Samples, to_line

WALL, MONO = 1_000_000.0, 500.0  # the driver's clocks when the run begins
MB = 10**6
HOST = "driver-host"


def iso(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, timezone.utc).isoformat(timespec="milliseconds")


def started(name: str, at: float, mono: bool = True, host: str = HOST) -> PhaseRecord:
    """The start of a phase, `at` seconds into the run."""
    record: PhaseRecord = {"event": "start", "name": name, "start": iso(WALL + at), "pid": 1}
    if mono:
        record["mono"], record["host"] = MONO + at, host
    return record


def ended(name: str, start: float, end: float, mono: bool = True, status: str = "done") -> PhaseRecord:
    record: PhaseRecord = {"event": "end", "name": name, "start": iso(WALL + start), "end": iso(WALL + end)}
    record["wall_seconds"], record["status"] = end - start, status
    if mono:
        record["mono"], record["host"] = MONO + end, HOST
    return record


def phase(name: str, start: float, end: float, mono: bool = True) -> list[PhaseRecord]:
    return [started(name, start, mono), ended(name, start, end, mono)]


def role(cpu: float = 0.0, pss: int = 0, rss: int | None = None, read: int = 0, write: int = 0) -> RoleUsage:
    """Memory in MB, counts as they are."""
    return RoleUsage(1, cpu, read, write, 0, 0, 1, pss * MB, pss * MB, (pss if rss is None else rss) * MB)


def sample(
    at: float,
    seconds: float,
    roles: Mapping[str, RoleUsage],
    *,
    host: str = HOST,
    wall_ahead: float = 0.0,
    mono_ahead: float = 0.0,
    missed: int = 0,
    late: float = 0.0,
    percents: tuple[float, ...] | None = (50.0, 30.0),
    cgroup: CgroupUsage | None = None,
) -> Sample:
    """A sample `at` seconds into the run, by clocks that are ahead of the driver's."""
    mean = sum(percents) / len(percents) if percents else None
    machine = MachineUsage(mean, percents, 3000 * MB, 5000 * MB, 0, 0, 0, 0)
    wall, mono = WALL + at + wall_ahead, MONO + at + mono_ahead
    return Sample(host, wall, mono, seconds, late, missed, machine, cgroup, roles)


def begin(host: str = HOST, interval: float = 2.0, cores: int = 2, pss: bool = True) -> Begin:
    return Begin(host, "boot", 99, 1, interval, cores, 100, 8000 * MB, WALL, MONO, pss)


def finish(host: str = HOST, cpu: float = 0.05) -> End:
    return End(host, WALL + 100, MONO + 100, 5, 0, cpu, "root ended")


def of_host(samples: Iterable[Sample], host: str = HOST, cores: int = 2, end: bool = True, pss: bool = True) -> Samples:
    return Samples(begin(host, cores=cores, pss=pss), tuple(samples), finish(host) if end else None)


def write_run(
    run: Path,
    phases: Iterable[Mapping[str, Any]],
    hosts: Iterable[Samples] = (),
    **files: Any,
) -> Path:
    """A run directory: the first host is the driver's; `jobs`, `stages` and `hosts_json`, or any other file's text."""
    resources = run / "resources"
    resources.mkdir(parents=True)
    lines(resources / "phases.jsonl", phases)
    for number, one in enumerate(hosts):
        records = [record for record in (one.begin, *one.samples, one.end) if record]
        name = f"samples-{one.samples[0].host}.jsonl" if number else "samples.jsonl"
        (resources / name).write_bytes(b"".join(to_line(record) for record in records))
    for name in ("jobs", "stages"):
        if name in files:
            lines(resources / f"{name}.jsonl", files.pop(name))
    if "hosts_json" in files:
        (resources / "hosts.json").write_text(json.dumps(files.pop("hosts_json")))
    write_extensions(resources, ["spark_jobs.run.report_sections:EXTENSION"])
    for name, content in files.items():
        path = run / name.replace("_", ".", 1)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return run


def lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def steady() -> Samples:
    """Samples every 2 s from 0 to 10 s: 2 CPU s in each from 2 s on; PSS 100, 200, 400, 300, 300, 300 MB."""
    worker = (0, 80, 250, 150, 150, 150)
    found = []
    for number, (driver, other) in enumerate(zip((100, 120, 150, 150, 150, 150), worker, strict=True)):
        roles = {
            "driver": role(0.5 if number else 0.0, driver, driver, read=100 if number else 0),
            "worker": role(1.5 if number else 0.0, other, other * 2, write=40 if number else 0),
            "sidecar": role(0.01 if number else 0.0, 20, 30, read=7),
        }
        percents = (100.0, 20.0) if number else None
        found.append(sample(2.0 * number, 2.0 if number else 0.0, roles, percents=percents))
    return of_host(found)
