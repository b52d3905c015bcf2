"""Machines of executors: clocks compared, samples brought back, and what is said of those that gave none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.records import Begin, MachineUsage, RoleUsage, Sample, read_samples, to_line
from monitor.sampler.loop import merged_roles
from monitor.spark.executor import Report, Request
from monitor.spark.hosts import (
    Exchange,
    ExecutorWatch,
    estimate_offset,
    read_hosts,
    refresh_hosts,
    watch_executors,
    write_hosts,
)


def test_an_offset_lies_between_what_question_and_answer_allow() -> None:
    """Asked at 100, begun at 105.1 there, ended at 105.3 there, answered at 100.6: from 4.7 to 5.1 s ahead."""
    offset, error = estimate_offset([Exchange(100.0, 105.1, 105.3, 100.6)])
    assert (offset, error) == pytest.approx((4.9, 0.2))


def test_every_exchange_narrows_the_bounds() -> None:
    slow = Exchange(0.0, -2.0, -1.9, 1.0)  # -2.9 to -2.0
    other = Exchange(10.0, 7.7, 7.8, 10.2)  # -2.4 to -2.3
    late = Exchange(20.0, 17.65, 17.9, 20.25)  # -2.35 to -2.35
    assert estimate_offset([slow, other]) == pytest.approx((-2.35, 0.05))
    assert estimate_offset([slow, other, late]) == pytest.approx((-2.35, 0.0))


def test_where_a_clock_was_set_meanwhile_the_quickest_counts() -> None:
    before, after = Exchange(0.0, 5.0, 5.0, 0.5), Exchange(10.0, 13.0, 13.0, 10.1)
    assert estimate_offset([before, after]) == pytest.approx((2.95, 0.05))
    with pytest.raises(ValueError, match="no exchange"):
        estimate_offset([])


MACHINE = MachineUsage(None, None, 5, 6, 0, 0, 0, 0)


def lines(host: str, samples: int, missed: int = 0) -> list[bytes]:
    begin = Begin(host, "boot", 9, 8, 0.25, 4, 100, 1 << 30, 1.0, 2.0)
    return [to_line(begin)] + [to_line(Sample(host, 1.0, 2.0, 0.25, 0.0, missed, MACHINE)) for _ in range(samples)]


class FakeSpark:
    """A session whose tasks are answered by a function; executors are name -> Spark's name of the machine."""

    def __init__(
        self, answer: Callable[[Request], Iterable[Report]], executors: dict[str, str], master: str = "spark://m:1"
    ) -> None:
        self.sparkContext = self
        self.applicationId, self.master, self.defaultParallelism = "app/1", master, 2
        self.asked: list[Request] = []
        self.tasks: list[int] = []
        self._answer = answer
        listed = [("driver", "driver-host:1", 0), *((name, f"{at}:7078", 3) for name, at in executors.items())]
        items = [
            SimpleNamespace(id=partial(str, one), hostPort=partial(str, port), totalCores=partial(int, cores))
            for one, port, cores in listed
        ]
        listing = SimpleNamespace(size=lambda: len(items), apply=items.__getitem__)
        store = SimpleNamespace(executorList=lambda active: listing if active else None)
        self._jsc = SimpleNamespace(sc=lambda: SimpleNamespace(statusStore=lambda: store))
        self.groups: set[str] = set()

    def setJobGroup(self, group: str, *_: Any) -> None:
        self.groups.add(group)

    def parallelize(self, rows: Iterable[int], parts: int) -> FakeSpark:
        self.tasks.append(parts)
        return self

    def mapPartitions(self, body: Any) -> FakeSpark:
        self.asked.append(body.args[0])
        return self

    def collect(self) -> list[Report]:
        return list(self._answer(self.asked[-1]))


def fake_spark(*arguments: Any, **more: Any) -> Any:
    """It stands for a Spark session, of which it has a few methods."""
    return FakeSpark(*arguments, **more)


class Machines:
    """What sidecars would have, a few lines more at each question."""

    def __init__(self, **content: list[bytes]) -> None:
        self.content = content

    def __call__(self, request: Request) -> Iterable[Report]:
        for number, (host, held) in enumerate(sorted(self.content.items())):
            stream = f"stream-{host}"
            offset = request.offsets.get(stream, 0)
            data = b"".join(held)[offset:]
            part = data[: data.find(b"\n") + 1] or data  # a line at a time
            yield Report(host, "boot", str(number), 50.0, 50.0, stream=stream, offset=offset, data=part,
                         more=len(part) < len(data))  # fmt: skip
            yield Report(host, "boot", str(number), 50.0, 50.0)  # a second task on the same machine


def test_samples_of_every_machine_land_in_a_file_of_their_own(tmp_path: Path) -> None:
    machines = Machines(one=lines("one", 2), two=lines("two", 6, missed=1))  # in more parts than there are rounds
    spark = fake_spark(machines, {"0": "192.0.2.1", "1": "192.0.2.2"})
    watch = watch_executors(spark, tmp_path, 0.25)
    assert spark.groups == {"monitor"}
    assert spark.tasks == [12] * 7 + [6] * 5  # two for each of six cores; for the clocks, one
    machines.content["one"] += lines("one", 1)[1:]
    watch.collect()
    watch.stop()
    for host, samples in (("one", 3), ("two", 6)):
        found = read_samples(tmp_path / f"samples-{host}.jsonl")
        assert found.begin is not None and found.begin.host == host
        assert len(found.samples) == samples
    told = read_hosts(tmp_path)
    assert (told["without_data"], told["problems"]) == ([], [])
    assert [(one["host"], one["role"], one["samples"], one["missed"]) for one in told["hosts"]] == [
        ("one", "executor", 3, 0),
        ("two", "executor", 6, 6),
    ]
    assert told["hosts"][0]["clock_error_seconds"] >= 0 and told["hosts"][0]["clock_offset_seconds"] < 0
    assert [(one.stop, one.remove) for one in spark.asked[-2:]] == [(True, False), (False, True)]
    assert len({one.ask for one in spark.asked}) == len(spark.asked)
    assert {(one.application, one.interval_seconds) for one in spark.asked} == {("app-1", 0.25)}


def test_bytes_that_come_twice_or_out_of_turn_are_left_out(tmp_path: Path) -> None:
    first, second = lines("one", 1)

    def answer(request: Request) -> Iterable[Report]:
        for offset, data in ((len(first), second), (0, first), (0, first)):
            yield Report("one", "boot", "0", 1.0, 1.0, stream="s", offset=offset, data=data)

    watch = watch_executors(fake_spark(answer, {"0": "h"}), tmp_path)
    watch.stop()
    assert (tmp_path / "samples-one.jsonl").read_bytes() == first + second


def test_a_machine_that_was_not_met_or_has_no_sidecar_is_named(tmp_path: Path) -> None:
    def answer(_: Request) -> Iterable[Report]:
        yield Report("node-a", "boot", "0", 1.0, 1.0, problem="the sidecar did not start: no psutil")
        yield Report("node-b", "boot", "1", 1.0, 1.0, stream="s", offset=0, data=b"".join(lines("node-b", 1)))

    spark = fake_spark(answer, {"0": "10.0.0.1", "1": "10.0.0.2", "2": "10.0.0.2", "3": "10.0.0.4"})
    watch_executors(spark, tmp_path).stop()
    told = read_hosts(tmp_path)
    assert told["without_data"] == ["10.0.0.4", "node-a"]
    assert told["problems"] == ["node-a: the sidecar did not start: no psutil"]
    assert [one["host"] for one in told["hosts"]] == ["node-b"]


def test_executors_that_the_drivers_sidecar_sees_need_nothing(tmp_path: Path) -> None:
    spark = fake_spark(lambda _: [Report("here", "boot", "0", 1.0, 1.0, with_driver=True)], {"0": "127.0.0.1"})
    watch_executors(spark, tmp_path).stop()
    assert read_hosts(tmp_path) == {"hosts": [], "without_data": [], "problems": []}
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.json"]


def test_a_job_that_fails_is_noted_and_is_the_last(tmp_path: Path) -> None:
    def fail(_: Request) -> Iterable[Report]:
        raise RuntimeError("Job aborted\n  at scheduler\nModuleNotFoundError: No module named 'monitor'\n")

    spark = fake_spark(fail, {"0": "10.0.0.1"})
    watch = watch_executors(spark, tmp_path)
    watch.collect()
    watch.stop()
    assert len(spark.asked) == 1
    told = read_hosts(tmp_path)
    assert told["without_data"] == ["10.0.0.1"]
    (problem,) = told["problems"]
    assert problem == "asking the executors failed: RuntimeError: ModuleNotFoundError: No module named 'monitor'"


@pytest.mark.parametrize(
    ("master", "asked"), [("local[2]", False), ("local", False), ("local-cluster[2,1,1024]", True)]
)
def test_locally_nothing_is_asked(master: str, asked: bool, tmp_path: Path) -> None:
    spark = fake_spark(lambda _: [], {}, master)
    ExecutorWatch(spark, tmp_path, 0.5).collect()
    assert bool(spark.asked) is asked


def test_machines_of_one_name_have_files_of_their_own(tmp_path: Path) -> None:
    def answer(_: Request) -> Iterable[Report]:
        for boot in ("a", "b"):
            data = b"".join(lines("a b/c", 1))
            yield Report("a b/c", boot, boot, 1.0, 1.0, stream=boot, offset=0, data=data)

    watch_executors(fake_spark(answer, {"a": "1", "b": "2"}), tmp_path).stop()
    assert sorted(path.name for path in tmp_path.glob("samples*")) == ["samples-a-b-c-2.jsonl", "samples-a-b-c.jsonl"]


def test_hosts_are_counted_anew_and_keep_their_clocks(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_bytes(b"".join(lines("home", 1)))
    (tmp_path / "samples-far.jsonl").write_bytes(b"".join(lines("far", 1)))
    write_hosts(tmp_path, {"samples-far.jsonl": (-3.5, 0.125)}, ["gone"], ["why"])
    with (tmp_path / "samples.jsonl").open("ab") as file:
        file.write(lines("home", 1, missed=2)[1])
    (tmp_path / "samples-new.jsonl").write_bytes(b"".join(lines("new", 0)))
    refresh_hosts(tmp_path)
    told = json.loads((tmp_path / "hosts.json").read_text())
    assert told["hosts"][0] == {
        "host": "home", "role": "driver", "file": "samples.jsonl", "interval_seconds": 0.25, "samples": 2, "missed": 2,
        "clock_offset_seconds": 0.0, "clock_error_seconds": 0.0, "cores": 4, "memory_total_bytes": 1 << 30,
    }  # fmt: skip
    assert [(one["host"], one["clock_offset_seconds"], one["clock_error_seconds"]) for one in told["hosts"][1:]] == [
        ("far", -3.5, 0.125),
        ("new", None, None),
    ]
    assert (told["without_data"], told["problems"]) == (["gone"], ["why"])


def test_trees_are_added_up_by_role_and_the_sidecar_counts_once() -> None:
    one = {"jvm": RoleUsage(1, 2.0, threads=30, pss_bytes=100), "sidecar": RoleUsage(1, 0.01, rss_bytes=7)}
    two = {"jvm": RoleUsage(1, 0.5, threads=20, pss_bytes=11), "worker": RoleUsage(3), "sidecar": RoleUsage(1, 0.01)}
    assert merged_roles([one, two]) == {
        "jvm": RoleUsage(2, 2.5, threads=50, pss_bytes=111),
        "worker": RoleUsage(3),
        "sidecar": RoleUsage(1, 0.01, rss_bytes=7),
    }
    assert merged_roles([]) == {}
