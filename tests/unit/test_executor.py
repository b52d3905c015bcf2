"""What a task does on an executor's machine, below a process that looks like an executor: sidecar, samples, end."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from monitor.records import Begin, End, read_samples
from monitor.sources import host_name, open_source
from monitor.spark.executor import Report, Request, folder_of, is_locked, read_part, visit

REQUEST = Request("app-7", 0.05, ("another machine", "boot", 1))
# reads requests, and has each done by a child, as Spark's Python daemon has tasks done by forks
_EXECUTOR = f"""
import os, sys
sys.executable = {sys.executable!r}
import base64, pickle
from monitor.spark.executor import visit
for line in sys.stdin:
    if os.fork() == 0:
        report = visit(pickle.loads(base64.b64decode(line)))
        sys.stdout.write(base64.b64encode(pickle.dumps(report)).decode() + chr(10))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


class Executor:
    """A process called java."""

    def __init__(self, name: str, temporary: Path) -> None:
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("java")), "-c", _EXECUTOR, "--executor-id", name, "--hostname", "h"],
            executable=sys.executable, env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, request: Request) -> Report:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(base64.b64encode(pickle.dumps(request)).decode() + "\n")
        self.process.stdin.flush()
        report = pickle.loads(base64.b64decode(self.process.stdout.readline()))
        assert isinstance(report, Report)
        return report

    def samples(self, ask: str, offsets: dict[str, int] | None = None) -> Report:
        """Asks again and again until there is something."""
        end = time.monotonic() + 30
        number = 0
        while time.monotonic() < end:
            number += 1
            report = self.run(replace(REQUEST, ask=f"{ask}-{number}", offsets=offsets or {}))
            assert report.problem is None
            if report.data.count(b"\n") > 3:
                return report
            time.sleep(0.05)
        raise AssertionError("no samples")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def executors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Executor]]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = [Executor("4", tmp_path), Executor("11", tmp_path)]
    yield made
    for one in made:
        one.kill()
    for process in sidecars(tmp_path):
        process.kill()


def sidecars(folder: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [
        one
        for one in found
        if one.info["cmdline"] and any(word.startswith(str(folder)) for word in one.info["cmdline"])
    ]


def test_one_sidecar_watches_all_executors_of_a_machine_until_it_is_told_to_end(executors, tmp_path: Path) -> None:
    first, second = executors
    assert (first.run(REQUEST).executor, second.run(REQUEST).executor) == ("4", "11")
    report = first.samples("one")
    assert len(sidecars(tmp_path)) == 1
    assert (report.host, report.boot_id, report.with_driver, report.offset) == (
        host_name(),
        open_source().boot_id(),
        False,
        0,
    )
    assert report.begun <= report.ended <= time.time()
    (tmp_path / "fetched").write_bytes(report.data)
    assert isinstance(read_samples(tmp_path / "fetched").begin, Begin)

    # both are in one tree, and the same question is answered once
    more = second.samples("two", {report.stream: len(report.data)})
    assert more.stream == report.stream and more.offset == len(report.data)
    (tmp_path / "fetched").write_bytes(report.data + more.data)
    last = read_samples(tmp_path / "fetched").samples[-1]
    assert last.roles["jvm"].processes + last.roles.get("driver", last.roles["jvm"]).processes >= 2
    assert last.roles["sidecar"].processes == 1
    again = replace(REQUEST, ask="three", offsets={})
    assert first.run(again).stream == report.stream
    assert second.run(again).stream is None

    ended = first.run(replace(REQUEST, ask="stop", stop=True))
    assert not is_locked(folder_of("app-7") / "lock")
    (tmp_path / "fetched").write_bytes(ended.data)
    found = read_samples(tmp_path / "fetched")
    assert isinstance(found.end, End) and found.end.why == "asked" and found.end.samples == len(found.samples)
    assert folder_of("app-7").is_dir()
    second.run(replace(REQUEST, ask="remove", remove=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fetched"]


def test_it_ends_and_clears_up_after_the_last_executor(executors, tmp_path: Path) -> None:
    first, second = executors
    first.samples("one")
    first.kill()
    time.sleep(0.2)
    assert len(sidecars(tmp_path)) == 1  # the other one, or one in its place, is still to come
    second.run(REQUEST)
    second.kill()
    psutil.wait_procs(sidecars(tmp_path), timeout=30)
    assert sidecars(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_sidecar_that_was_killed_is_replaced(executors, tmp_path: Path) -> None:
    first, _ = executors
    before = first.samples("one")
    for process in sidecars(tmp_path):
        process.kill()
    after = first.samples("two", {str(before.stream): len(before.data)})
    assert after.stream != before.stream and after.offset == 0


def test_an_executor_below_the_drivers_root_is_left_to_the_drivers_sidecar(executors, tmp_path: Path) -> None:
    below = replace(REQUEST, driver=(host_name(), open_source().boot_id(), os.getpid()))
    assert executors[0].run(below).with_driver
    assert not executors[0].run(replace(below, driver=(host_name(), "another boot", os.getpid()))).with_driver


def test_a_process_without_a_jvm_above_says_so() -> None:
    report = visit(REQUEST)
    assert report.problem == "LookupError: no JVM above this task's Python"
    assert report.stream is None


def test_only_whole_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "samples"
    assert read_part(path, 0) == (b"", False)
    path.write_bytes(b"one\ntwo\nthr")
    assert read_part(path, 0) == (b"one\ntwo\n", False)
    assert read_part(path, 4) == (b"two\n", False)
    assert read_part(path, 8) == (b"", False)
    assert read_part(path, 0, 6) == (b"one\n", True)
