"""hosts.json: which machines were sampled, how far their clocks are off, and which gave no data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.records import HOSTS, SAMPLES, read_samples


def write_hosts(
    resources: str | Path,
    clocks: Mapping[str, tuple[float, float]],
    without_data: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> None:
    """Writes hosts.json from the samples in `resources`; `clocks` has offset and error (seconds) by file name.

    The driver's own samples (samples.jsonl) are the role "driver", those of samples-HOST.jsonl "executor"; a clock
    that was never compared has null for both.
    """
    folder = Path(resources)
    known = {**clocks, SAMPLES: (0.0, 0.0)}
    files = [folder / SAMPLES, *sorted(folder.glob("samples-*.jsonl"))]
    hosts = [entry for file in files if (entry := _entry(file, known.get(file.name)))]
    told = {"hosts": hosts, "without_data": list(without_data), "problems": list(problems)}
    path = folder / HOSTS
    temporary = path.with_name(f".{HOSTS}.{os.getpid()}")
    temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def refresh_hosts(resources: str | Path) -> None:
    """Writes hosts.json anew once every sidecar has ended, or was killed: what was found out of clocks stays."""
    told = read_hosts(resources)
    clocks = {
        str(one["file"]): (one["clock_offset_seconds"], one["clock_error_seconds"])
        for one in told["hosts"]
        if one.get("file") and one.get("clock_offset_seconds") is not None
    }
    write_hosts(resources, clocks, told["without_data"], told["problems"])


def read_hosts(resources: str | Path) -> dict[str, Any]:
    """hosts.json with all its keys, empty where it is missing or broken."""
    try:
        told = json.loads((Path(resources) / HOSTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    return {"hosts": [], "without_data": [], "problems": [], **(told if isinstance(told, dict) else {})}


def _entry(file: Path, clock: tuple[float, float] | None) -> dict[str, Any] | None:
    found = read_samples(file)
    if found.begin is None:
        return None
    return {
        "host": found.begin.host,
        "role": "driver" if file.name == SAMPLES else "executor",
        "file": file.name,
        "interval_seconds": found.begin.interval_seconds,
        "samples": len(found.samples),
        "missed": sum(sample.missed for sample in found.samples),
        "clock_offset_seconds": round(clock[0], 6) if clock else None,
        "clock_error_seconds": round(clock[1], 6) if clock else None,
        "cores": found.begin.cores,
        "memory_total_bytes": found.begin.memory_total_bytes,
    }
