"""Executors on other machines: a sidecar on each, its samples brought back by tasks, clocks compared, hosts.json."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.records import HOSTS, SAMPLES, read_samples
from monitor.sources import host_name, open_source
from monitor.spark.executor import Report, Request, task
from monitor.spark.executor_probe import ask_executors


@dataclass(frozen=True)
class Exchange:
    """One question to another machine: sent and answered by this one's clock, begun and ended by that one's (seconds).

    What it did lay wholly between question and answer, so its clock was ahead by no more than begun - sent and by no
    less than ended - answered.
    """

    sent: float
    begun: float
    ended: float
    answered: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which the offset lies."""
        return self.ended - self.answered, self.begun - self.sent


def estimate_offset(exchanges: Sequence[Exchange]) -> tuple[float, float]:
    """The other clock's offset (that clock minus this one) and its largest error, both in seconds.

    All exchanges must agree, so each one narrows the bounds; where they do not, because a clock was set meanwhile,
    it is the offset of the quickest. ValueError without an exchange.
    """
    if not exchanges:
        raise ValueError("no exchange to estimate the clock's offset from")
    low = max(exchange.bounds[0] for exchange in exchanges)
    high = min(exchange.bounds[1] for exchange in exchanges)
    if low > high:
        low, high = min((exchange.bounds for exchange in exchanges), key=lambda bounds: bounds[1] - bounds[0])
    return (low + high) / 2, max(0.0, high - low) / 2


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
    content = {"hosts": hosts, "without_data": list(without_data), "problems": list(problems)}
    path = folder / HOSTS
    temporary = path.with_name(f".{HOSTS}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def refresh_hosts(resources: str | Path) -> None:
    """Writes hosts.json anew once every sidecar has ended, or was killed: what was found out of clocks stays."""
    before = read_hosts(resources)
    clocks = {
        str(entry["file"]): (entry["clock_offset_seconds"], entry["clock_error_seconds"])
        for entry in before["hosts"]
        if entry.get("file") and entry.get("clock_offset_seconds") is not None
    }
    write_hosts(resources, clocks, before["without_data"], before["problems"])


def read_hosts(resources: str | Path) -> dict[str, Any]:
    """hosts.json with all its keys, empty where it is missing or broken."""
    try:
        content = json.loads((Path(resources) / HOSTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    return {"hosts": [], "without_data": [], "problems": [], **(content if isinstance(content, dict) else {})}


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


if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["ExecutorWatch", "read_hosts", "refresh_hosts", "watch_executors"]

_ROUNDS = 4  # of tasks, until every executor was met: Spark does not let a job choose where a task runs
_HOLD_SECONDS = 0.05
_CLOCK_TRIES = 5


def watch_executors(spark: SparkSession, resources: str | Path, interval: float = 0.5) -> ExecutorWatch:
    """Puts a sidecar, sampling every `interval` seconds, on each machine with executors of this session.

    The executors need the package `monitor` (by --py-files, or installed). Call `collect` now and then, and `stop`
    before the session ends; the samples land in `resources`/samples-HOST.jsonl. Where executors run below the driver
    (local mode) its own sidecar sees them, and none is started.
    """
    watch = ExecutorWatch(spark, resources, interval)
    watch.start()
    return watch


@dataclass
class _Machine:
    """One machine with executors."""

    host: str
    file: Path
    exchanges: list[Exchange] = field(default_factory=list)
    with_driver: bool = False
    bytes: int = 0


class ExecutorWatch:
    """The sidecars on the machines of an application's executors; made by `watch_executors`.

    It never raises for want of an answer: what went wrong is in hosts.json, under "problems". Its Spark jobs have the
    job group "monitor" and are in no phase.
    """

    def __init__(self, spark: SparkSession, resources: str | Path, interval: float) -> None:
        self._context = spark.sparkContext
        self._resources = Path(resources)
        begin = read_samples(resources).begin
        self._request = Request(
            application=re.sub(r"[^\w.-]", "-", self._context.applicationId),
            interval_seconds=interval,
            driver=(host_name(), open_source().boot_id(), begin.root_pid if begin else os.getpid()),
        )
        self._machines: dict[tuple[str, str], _Machine] = {}
        self._offsets: dict[str, int] = {}  # bytes that have come, by stream
        self._met: set[str] = set()
        self._known: dict[str, str] = {}  # executors that there have been, and their machines as Spark calls them
        self._problems: list[str] = []
        master = str(self._context.master)
        self._broken = master.startswith("local") and "cluster" not in master

    def start(self) -> None:
        """Starts the sidecars and compares clocks."""
        self._visit(self._request)
        for _ in range(_CLOCK_TRIES):  # with workers that are warm, and one task a core: quick, and so exact
            self._round(self._request, 1)
        self._write()

    def collect(self) -> None:
        """Brings back what was sampled since the last time; a machine that is new gets a sidecar."""
        self._visit(self._request)

    def stop(self) -> None:
        """Ends the sidecars, brings back all that is left, removes their folders, and writes hosts.json."""
        self._visit(replace(self._request, stop=True))
        self._visit(replace(self._request, remove=True))
        self._write()
        self._broken = True

    def _visit(self, request: Request) -> None:
        """Sends tasks until every executor was met, a few times at most, and every sample is here."""
        met: set[str] = set()
        rounds, more = 0, True
        while rounds < _ROUNDS or more:
            had = sum(self._offsets.values())
            reports = self._round(replace(request, hold_seconds=_HOLD_SECONDS), 2)
            rounds += 1
            met |= {report.executor for report in reports if report.executor}
            more = any(report.more for report in reports) and sum(self._offsets.values()) > had
            if not more and (not met or not set(self._executors()) - met):
                break
        self._met |= met

    def _round(self, request: Request, tasks_per_core: int) -> list[Report]:
        """One job with tasks enough for every executor to get some."""
        if self._broken:
            return []
        cores = sum(cores for _, cores in self._executors().values())
        tasks = tasks_per_core * max(cores, self._context.defaultParallelism)
        asked = replace(request, ask=uuid.uuid4().hex, offsets=dict(self._offsets))
        try:
            sent, reports, answered = ask_executors(self._context, partial(task, asked), tasks)
        except Exception as error:
            self._broken = True
            self._note(f"asking the executors failed: {_one_line(error)}")
            return []
        for report in reports:
            self._take(report, Exchange(sent, report.begun, report.ended, answered))
        return reports

    def _take(self, report: Report, exchange: Exchange) -> None:
        if report.problem:
            self._note(f"{report.host}: {report.problem}")
        machine = self._machines.get((report.host, report.boot_id))
        if machine is None:
            files = {machine.file for machine in self._machines.values()}
            machine = _Machine(report.host, _file(self._resources, report.host, files))
            self._machines[report.host, report.boot_id] = machine
        machine.exchanges.append(exchange)
        machine.with_driver |= report.with_driver
        if report.stream and report.data and report.offset == self._offsets.get(report.stream, 0):
            with machine.file.open("ab") as file:
                file.write(report.data)
            machine.bytes += len(report.data)
            self._offsets[report.stream] = report.offset + len(report.data)

    def _executors(self) -> dict[str, tuple[str, int]]:
        """The executors that Spark has now: machine, as Spark calls it, and cores."""
        try:
            listed = self._context._jsc.sc().statusStore().executorList(True)
            each = [listed.apply(index) for index in range(listed.size())]
            found = {
                str(executor.id()): (str(executor.hostPort()).rpartition(":")[0], int(executor.totalCores()))
                for executor in each
                if executor.id() != "driver"
            }
        except Exception as error:  # of another version of Spark, or the JVM has gone
            self._note(f"the list of executors is not to be had: {_one_line(error)}")
            return {}
        self._known |= {name: machine for name, (machine, _) in found.items()}
        return found

    def _write(self) -> None:
        clocks = {
            machine.file.name: estimate_offset(machine.exchanges)
            for machine in self._machines.values()
            if not machine.with_driver
        }
        silent = {machine.host for machine in self._machines.values() if not machine.with_driver and not machine.bytes}
        reached = {self._known[name] for name in self._met & self._known.keys()}
        silent |= set(self._known.values()) - reached
        try:
            write_hosts(self._resources, clocks, sorted(silent), self._problems)
        except OSError as error:
            self._note(f"hosts.json cannot be written: {error}")

    def _note(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)


def _file(resources: Path, host: str, taken: set[Path]) -> Path:
    name = re.sub(r"[^\w.-]", "-", host)
    path, number = resources / f"samples-{name}.jsonl", 1
    while path in taken:
        number += 1
        path = resources / f"samples-{name}-{number}.jsonl"
    return path


def _one_line(error: Exception) -> str:
    """What a failed job says in one line: what its Python or Java ended with."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line) and "org.apache" not in line]
    return f"{type(error).__name__}: {(causes or lines or [''])[0]}"[:300]
