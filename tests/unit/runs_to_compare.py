"""Runs made by hand: directories with phases, samples, losses and settings as a job leaves them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monitor.extensions import write_extensions
from monitor.records import Begin, End, MachineUsage, RoleUsage, Sample, to_line

WALL, MONO, HOST = 1_790_000_000.0, 1000.0, "box"


def make_run(
    path: Path,
    phases: Sequence[tuple[str, float, float, float]],
    workers: int | None = 1,
    *,
    settings: str = "",
    seconds: float | None = None,
    losses: tuple[float, float] | None = None,
    history: Sequence[tuple[float, float]] = (),
    samples: bool = True,
    failed: str | None = None,
    stopped: str | None = None,
    host: str = HOST,
    commit: str = "abc",
    every: float = 0.5,
) -> Path:
    """A run of `phases` (name, wall seconds, busy cores, PSS in GB) one after the other, on a host of 2 cores.

    `losses` are train and test; without `workers` there is no config.toml; `failed` is the error of run.json, the
    last phase then being one that failed, `stopped` what stopped a run that ended well. `seconds` (by default the
    phases' sum) is what run.json says.
    """
    resources = path / "resources"
    resources.mkdir(parents=True)
    lines, at = [], 0.0
    for number, (name, wall, _, _) in enumerate(phases):
        status = "failed" if failed and number == len(phases) - 1 else "done"
        start, end = _iso(at), _iso(at + wall)
        more = {"host": host, "name": name, "start": start}
        lines.append({"event": "start", **more, "pid": 1, "mono": MONO + at})
        at += wall
        lines.append(
            {"event": "end", **more, "end": end, "wall_seconds": wall, "status": status, "mono": MONO + at}
        )  # fmt: skip
    (resources / "phases.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    write_extensions(resources, ["spark_jobs.run.report_sections:EXTENSION"])
    if samples:
        (resources / "samples.jsonl").write_bytes(_samples(phases, at, host, every))
    if workers is not None:
        (path / "config.toml").write_text(f'name = "{path.name}"\n{settings}\n[training]\nworkers = {workers}\n')
        _json(path / "environment.json", {"git_commit": commit, "spark": {"spark.master": f"local[{workers}]"}})
    ended: dict[str, Any] = {
        "status": "failed" if failed else "stopped" if stopped else "succeeded",
        "seconds": at if seconds is None else seconds,
    }
    ended |= {"error": failed} if failed else {"stopped": stopped} if stopped else {}
    _json(path / "run.json", ended)
    if losses:
        train, test = losses
        rest: dict[str, Any] = {"rating_prediction": {"model": {"rmse": 0.9, "mae": 0.7}}}
        rest["ranking"] = {"model": {"ndcg@100": {"mean": 0.4, "standard_error": 0.1, "count": 9}, "coverage@20": 0.5}}
        _json(
            path / "metrics.json",
            {"reconstruction": {"train": train, "test": test, "divergence": (test - train) / train}, **rest},
        )
    if history:
        rows = [
            f"{number},{train},{validation},1.0,10,{workers}" for number, (train, validation) in enumerate(history, 1)
        ]
        (path / "history.csv").write_text(
            "\n".join(["epoch,train_loss,validation_loss,seconds,rows,workers", *rows, ""])
        )
    return path


def _samples(phases: Sequence[tuple[str, float, float, float]], end: float, host: str, every: float) -> bytes:
    out = [to_line(Begin(host, "boot", 9, 1, every, 2, 100, 8 * 10**9, WALL, MONO))]
    ends, at = [], 0.0
    for _, wall, busy, pss in phases:
        at += wall
        ends.append((at, busy, pss))
    count = round(end / every)
    for number in range(count + 1):
        moment = number * every
        _, busy, pss = next((one for one in ends if moment <= one[0] + 1e-9), ends[-1])
        seconds = every if number else 0.0
        machine = MachineUsage(
            50 * busy if number else None, (50 * busy, 50 * busy) if number else None, 10**9, 7 * 10**9, 0, 0, 0, 0
        )
        used = RoleUsage(
            processes=2, cpu_seconds=busy * seconds, pss_bytes=round(pss * 1e9), rss_bytes=round(pss * 1.2e9)
        )
        out.append(
            to_line(Sample(host, WALL + moment, MONO + moment, seconds, 0.0, 0, machine, None, {"worker": used}, 0))
        )
    out.append(to_line(End(host, WALL + end, MONO + end, count + 1, 0, 0.01, "root ended")))
    return b"".join(out)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(WALL + moment, timezone.utc).isoformat(timespec="milliseconds")


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
