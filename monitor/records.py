"""The records of samples.jsonl, a JSON object a line: what a sidecar writes and what a report reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypedDict

SAMPLES = "samples.jsonl"
PHASES = "phases.jsonl"
HOSTS = "hosts.json"
STAGES = "stages.jsonl"
JOBS = "jobs.jsonl"
VERSION = 1
SUCCEEDED, STOPPED, FAILED = "succeeded", "stopped", "failed"  # the status in a run's run.json
DOES_NOT_FIT = "does not fit"  # in a grid: a failed run whose run.json has `does_not_fit`
ENDED_WELL = (SUCCEEDED, STOPPED)  # a stopped run ended early on purpose, and its figures hold; `stopped` says why
ROLES = ("driver", "jvm", "worker", "other", "sidecar")
TREE_ROLES = ROLES[:-1]  # what was asked for; the sidecar is the monitor's own cost


class _PhaseMark(TypedDict):
    event: str  # "start" or "end"
    name: str
    start: str  # UTC, ISO 8601


class PhaseRecord(_PhaseMark, total=False):
    """A line of phases.jsonl: the start or the end of a phase (see `monitor.Recorder`)."""

    pid: int
    end: str
    wall_seconds: float
    status: str  # of an end: "done" or "failed"
    mono: float
    host: str


@dataclass(frozen=True)
class RoleUsage:
    """All processes of one role: counts since the sample before (never negative), memory and threads now.

    Where the kernel gives no proportional set size (`Begin.pss` is false), pss_bytes and uss_bytes are the RSS.
    """

    processes: int = 0
    cpu_seconds: float = 0.0
    read_bytes: int = 0
    write_bytes: int = 0
    context_switches: int = 0
    major_faults: int = 0
    threads: int = 0
    pss_bytes: int = 0
    uss_bytes: int = 0
    rss_bytes: int = 0


@dataclass(frozen=True)
class MachineUsage:
    """The whole machine: CPU in percent of all cores (None in the first sample), memory now, bytes since the last."""

    cpu_percent: float | None
    core_percent: tuple[float, ...] | None
    memory_used_bytes: int
    memory_available_bytes: int
    disk_read_bytes: int
    disk_write_bytes: int
    network_sent_bytes: int
    network_received_bytes: int


@dataclass(frozen=True)
class CgroupUsage:
    """The memory cgroup with the tightest limit above the processes; no limit is None."""

    limit_bytes: int | None
    used_bytes: int
    anonymous_bytes: int
    page_cache_bytes: int
    path: str


@dataclass(frozen=True)
class Begin:
    """A sidecar's start: where, of what, how often; wall is epoch seconds, mono the host's monotonic seconds."""

    host: str
    boot_id: str
    pid: int
    root_pid: int
    interval_seconds: float
    cores: int
    clock_ticks: int
    memory_total_bytes: int
    wall: float
    mono: float
    pss: bool = True
    version: int = VERSION


@dataclass(frozen=True)
class Sample:
    """One look at machine and process tree; seconds is the time since the sample before (0 for the first)."""

    host: str
    wall: float
    mono: float
    seconds: float
    late_seconds: float
    missed: int
    machine: MachineUsage
    cgroup: CgroupUsage | None = None
    roles: Mapping[str, RoleUsage] = field(default_factory=dict)
    vanished: int = 0

    def tree(self) -> RoleUsage:
        """The sum of all roles but the sidecar's."""
        used = [usage for role, usage in self.roles.items() if role != "sidecar"]
        return RoleUsage(*(sum(getattr(usage, part.name) for usage in used) for part in fields(RoleUsage)))


@dataclass(frozen=True)
class End:
    """A sidecar's own end; why is "root ended", "asked" or "signal". Missing where the sidecar was killed."""

    host: str
    wall: float
    mono: float
    samples: int
    missed: int
    cpu_seconds: float
    why: str


@dataclass(frozen=True)
class Samples:
    """One host's file: several runs of a sidecar may follow each other in it (begin: the first, end: the last)."""

    begin: Begin | None
    samples: tuple[Sample, ...]
    end: End | None


def to_line(record: Begin | Sample | End) -> bytes:
    """The record as one line of samples.jsonl, with its end of line."""
    entry = {"event": type(record).__name__.lower(), **vars(record)}
    return json.dumps(entry, separators=(",", ":"), default=vars).encode() + b"\n"


def read_samples(path: str | Path) -> Samples:
    """Reads a `resources` folder's samples.jsonl, or the file itself (samples-HOST.jsonl); empty without a file.

    Lines that are cut off or of an unknown kind are left out; what newer versions add to a record is ignored.
    """
    path = Path(path)
    file = path / SAMPLES if path.is_dir() else path
    begin: Begin | None = None
    end: End | None = None
    samples: list[Sample] = []
    for line in file.read_bytes().splitlines() if file.exists() else []:
        record = _parse(line)
        if isinstance(record, Begin):
            begin, end = begin or record, None
        elif isinstance(record, End):
            end = record
        elif record is not None:
            samples.append(record)
    return Samples(begin, tuple(samples), end)


def _parse(line: bytes) -> Begin | Sample | End | None:
    try:
        entry = json.loads(line)
        event = entry["event"]
        if event == "sample":
            return _sample(entry)
        return _fill(Begin, entry) if event == "begin" else _fill(End, entry) if event == "end" else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _sample(entry: dict[str, Any]) -> Sample:
    machine = dict(entry["machine"])
    if machine.get("core_percent") is not None:
        machine["core_percent"] = tuple(machine["core_percent"])
    parts = {
        "machine": _fill(MachineUsage, machine),
        "cgroup": _fill(CgroupUsage, entry["cgroup"]) if entry.get("cgroup") else None,
        "roles": {role: _fill(RoleUsage, usage) for role, usage in entry.get("roles", {}).items()},
    }
    return _fill(Sample, {**entry, **parts})


def _fill(kind: type, entry: Mapping[str, Any]) -> Any:
    """A record of what `entry` has of it; TypeError where something is missing."""
    known = {part.name for part in fields(kind)}
    return kind(**{name: value for name, value in entry.items() if name in known})
