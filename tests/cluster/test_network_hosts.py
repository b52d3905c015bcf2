"""Hosts with addresses of their own, what happens to them in the middle of training, and that it changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from hosts import Hosts, running_hosts, why_not
from launching import EPOCHS, Started, check_same, history, is_picked, launch, read_json
from standalone import quick_executors

from monitor.errors import MonitorError
from monitor.spark.eventlog import read_events

# Spark notices within seconds, not minutes, that a host does not answer any more
IMPATIENT = (
    "spark.network.timeout=14s", "spark.network.timeoutInterval=2s", "spark.executor.heartbeatInterval=2s",
    "spark.shuffle.io.maxRetries=1",
)  # fmt: skip
# tasks that are slow are started twice, executors that are idle are given back
RESTLESS = (
    "spark.speculation=true", "spark.speculation.quantile=0.5", "spark.dynamicAllocation.enabled=true",
    "spark.dynamicAllocation.executorIdleTimeout=2s", "spark.dynamicAllocation.cachedExecutorIdleTimeout=4s",
    "spark.locality.wait=500ms",  # a second copy would wait for the executor of the first
)  # fmt: skip


@pytest.fixture
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """For every test its own: a master forgets a host that it has not heard of for a minute."""
    if reason := why_not():
        pytest.skip(reason)
    with running_hosts(tmp_path_factory.mktemp("hosts") / "cluster", "alpha", "beta") as made:
        yield made


def is_worker(process: psutil.Process) -> bool:
    """A Python worker, which a daemon has forked."""
    return _is_python(process) and (parent := process.parent()) is not None and _is_python(parent)


def is_executor(process: psutil.Process) -> bool:
    return any("CoarseGrainedExecutorBackend" in word for word in _words(process))


def _is_python(process: psutil.Process) -> bool:
    return "howdah_daemon" in _words(process)


def _words(process: psutil.Process) -> list[str]:
    try:
        return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
    except psutil.NoSuchProcess:
        return []


def disturbed(hosts: Hosts, job: Started) -> None:
    """Workers' Pythons stand still for a while, another is killed, an executor is killed, a host is cut off for a
    while, and in the end one that has an executor is cut off for good."""

    def after(epochs: int) -> None:
        """So many more."""
        reached = len(history(job.path)) + epochs
        job.wait_until(lambda: len(history(job.path)) >= reached)

    def stands_still(worker: psutil.Process) -> None:
        """For two epochs: if it has a task, that is started on another executor, which may have to start first."""
        reached, until = len(history(job.path)) + 2, time.monotonic() + 20
        with suppress(psutil.NoSuchProcess):  # its executor may be given back meanwhile
            worker.suspend()
        while time.monotonic() < until and len(history(job.path)) < reached:
            time.sleep(0.05)
        with suppress(psutil.NoSuchProcess):
            worker.resume()

    def first(pick: Callable[[psutil.Process], bool]) -> tuple[str, psutil.Process]:
        """On any host, which is named: a host may have given its executor back just now."""
        some: list[tuple[str, psutil.Process]] = []

        def is_there() -> bool:
            some.extend((name, one) for name in hosts.names for one in hosts.processes(name) if is_picked(one, pick))
            return bool(some)

        job.wait_until(is_there)
        return some[0]

    after(1)
    workers = [one for name in hosts.names for one in hosts.processes(name) if is_picked(one, is_worker)]
    for one in workers:
        stands_still(one)
    after(2)
    first(is_worker)[1].kill()
    after(2)
    first(is_executor)[1].kill()
    after(4)
    hosts.connect("alpha", "down")
    time.sleep(6)
    hosts.connect("alpha", "up")
    after(3)
    hosts.connect(first(is_executor)[0], "down")


def events_of(run: Path) -> list[dict[str, Any]]:
    """Spark's own account."""
    return list(read_events(run / "resources" / "eventlog"))


def check_that_it_happened(run: Path) -> None:
    """By Spark's own account: executors came and went, tasks failed and were tried again, others were started twice."""
    events = events_of(run)
    names = [event["Event"] for event in events]
    assert names.count("SparkListenerExecutorAdded") > 2 and names.count("SparkListenerExecutorRemoved") >= 2
    tasks = [event for event in events if event["Event"] == "SparkListenerTaskEnd"]
    assert any(event["Task End Reason"]["Reason"] != "Success" for event in tasks)
    assert any(event["Task Info"]["Attempt"] > 0 for event in tasks)
    assert any(event["Task Info"]["Speculative"] for event in tasks)


def start(hosts: Hosts, own: list[str | Path], place: Path, *properties: str) -> Started:
    """Trains on the hosts."""
    (place / "here").mkdir()
    given = (word for one in properties for word in ("--conf", one))
    options = ("--", *hosts.driver_options, *quick_executors(), *given)
    return Started(
        "train", *own, "--master", hosts.cluster.url, cwd=place / "here", run=place / "run", options=options
    )  # fmt: skip


@pytest.fixture
def own(prepared: Path, settings: Path) -> list[str | Path]:
    return ["--config", settings, "--prepared", prepared, "--set", f"training.epochs={EPOCHS}"]


def host_of_last_task(hosts: Hosts, run: Path) -> str:
    """It has rows of training users, which the next epochs are waiting for."""
    with suppress(MonitorError):  # there is no log yet
        of_tasks = [one["Task Info"]["Host"] for one in events_of(run) if one["Event"] == "SparkListenerTaskEnd"]
        return next((name for name in hosts.names if of_tasks and hosts.address(name) == of_tasks[-1]), "")
    return ""


def test_a_host_that_is_cut_off_for_a_minute(hosts, own, undisturbed, tmp_path):
    """With Spark's own patience: a task waits for it."""
    job = start(hosts, own, tmp_path)
    cut = hosts.names[0]
    try:
        job.wait_until(lambda: len(history(job.path)) >= 2)
        job.wait_until(lambda: host_of_last_task(hosts, job.path) != "")
        cut = host_of_last_task(hosts, job.path)
        hosts.connect(cut, "down")
        time.sleep(60)
        again = time.time() * 1000
        hosts.connect(cut, "up")
        said = job.end()
    finally:
        hosts.connect(cut, "up")
        job.kill()
    assert job.launcher.returncode == 0, said
    check_same(job.path, undisturbed)
    tasks = [one["Task Info"] for one in events_of(job.path) if one["Event"] == "SparkListenerTaskEnd"]
    assert any(one["Launch Time"] < again < one["Finish Time"] and one["Host"] == hosts.address(cut) for one in tasks)
    told = read_json(job.path / "resources" / "hosts.json")
    assert {one["host"] for one in told["hosts"] if one["role"] == "executor"} == set(hosts.names)
    page = (job.path / "report" / "index.html").read_text()
    assert all(name in page for name in hosts.names)


def test_whatever_happens_to_workers_the_result_is_the_same(hosts, own, undisturbed, tmp_path):
    job = start(hosts, own, tmp_path, *IMPATIENT, *RESTLESS)
    try:
        disturbed(hosts, job)
        said = job.end()
    finally:
        job.kill()
    assert job.launcher.returncode == 0, said
    # data did cross the network; as Spark gives executors back, one of the two hosts may do nearly all the work
    assert sum(hosts.bytes_sent(name) for name in hosts.names) > 2_000_000
    check_same(job.path, undisturbed)
    check_that_it_happened(job.path)
    told = read_json(job.path / "resources" / "hosts.json")
    seen = {one["host"] for one in told["hosts"] if one["role"] == "executor"}
    assert seen | set(told["without_data"]) >= set(hosts.names)  # of a host that was lost perhaps nothing has come


def test_disks_that_are_not_shared_are_told_apart_from_missing_files(tmp_path):
    """What only the driver sees, and what only executors have written."""
    if reason := why_not():
        pytest.skip(reason)
    mine, here = tmp_path / "mine", tmp_path / "here"
    mine.mkdir()
    here.mkdir()
    rows = "".join(f"{user},{movie},{3 + user % 2}.5,1\n" for user in range(50) for movie in range(30))
    for folder in (mine, tmp_path):
        (folder / "r.csv").write_text(f"userId,movieId,rating,timestamp\n{rows}")
    own = ["--set", "data.positive_from=0.5", "--workers", "1"]
    cases = [
        (["--set", f"data.ratings={mine / 'r.csv'}"], "r.csv: an executor does not find it"),
        (["--set", "data.scale=0.002"], "set data.data_dir to a folder that all machines see"),
        (["--set", f"data.ratings={tmp_path / 'r.csv'}"], "write to a folder that all machines see (--output)"),
        (["--set", f"data.ratings={tmp_path / 'r.csv'}"], "an executor cannot write there"),
    ]
    with running_hosts(tmp_path / "cluster", "gamma", own=mine) as hosts:
        for number, (arguments, said) in enumerate(cases):
            output = mine / ("locked" if "write there" in said else "") / f"out-{number}"
            refused = launch(
                "prepare", *own, *arguments, "--profile", "off", "--master", hosts.cluster.url, "--output", output,
                "--", *hosts.driver_options, *quick_executors(), cwd=here,
            )  # fmt: skip
            assert refused.returncode == 2, refused.stdout + refused.stderr
            assert said in refused.stdout and "Traceback" not in refused.stdout + refused.stderr
            told = read_json(output / "run.json")
            assert told["status"] == "failed" and said in told["error"]
