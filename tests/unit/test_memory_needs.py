"""What training will take, and what there is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_proc import FakeProc

from monitor.headroom import MACHINE, Headroom, memory_headroom
from monitor.sources.proc import ProcSource
from monitor.spark.headroom import ExecutorAnswer, ExecutorHeadroom, by_memory, heap_growth
from recsys.config import Config, DataConfig, MachineConfig, TrainingConfig
from recsys.data.sources.source import Size
from recsys.data.split import TRAIN
from recsys.errors import DoesNotFit, UserError
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.ease.config import EaseConfig
from recsys.training.memory import Needs, training_needs
from spark_jobs.run import memory_check
from spark_jobs.run.memory_check import check_memory, check_memory_early

HEAP = 2_000_000_000


def needs(columns: int = 40_000, cores: int = 2, **training: Any) -> Needs:
    model = DaeConfig(hidden=(200,), loss="multinomial")
    config = Config(name="x", model=model, training=TrainingConfig(**training))
    return training_needs(config, columns, 100_000, 10_000_000, cores, HEAP)


def arranged(context: Any) -> Any:
    """100,000 rating arrays over 40,000 movies to train on."""
    return SimpleNamespace(
        context=context,
        examples=SimpleNamespace(width=40_000),
        parts={TRAIN: SimpleNamespace(rows=100_000)},
        dataset=SimpleNamespace(statistics={"ratings": 1_000_000}),
    )


def test_it_grows_with_what_it_depends_on() -> None:
    weights = 4 * (40_000 * 401 + 200)
    one = needs(workers=1, cores=1)
    assert 10 * weights < one.workers - 100e6 and one.driver > 12 * weights
    assert needs(workers=2).workers == pytest.approx(2 * one.workers, rel=0.2)
    assert needs(workers=8).workers < needs(workers=2).workers  # as many at a time, each with fewer rows
    assert needs(workers=8, cores=8).workers > 3 * needs(workers=2).workers
    assert needs(workers=8).heap == HEAP  # more would be on disk
    assert needs(columns=4000).total < 0.5 * needs().total
    assert one.total == one.driver + one.workers + one.heap


def test_where_the_kernel_does_not_say_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_headroom(ProcSource(tmp_path)) is None


def test_elephas_has_every_array_twice_and_dense() -> None:
    dense = 2 * 4 * 100_000 * 40_000
    assert needs(workers=2, strategy="elephas").workers > dense
    assert needs(workers=8, strategy="elephas").workers < 0.35 * dense + 2 * 1.2e9  # two of eight at a time


def test_an_item_item_model_has_matrices_of_movies() -> None:
    config = Config(name="x", model=EaseConfig())
    assert training_needs(config, 10_000, 1, 1, 1, HEAP).driver > 3 * 8 * 10_000**2


def test_the_headroom_is_the_machines_or_its_control_groups(tmp_path: Path) -> None:
    proc = FakeProc(tmp_path / "proc")
    proc.write("meminfo", "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  400 kB\n")
    found = memory_headroom(ProcSource(proc.root, tmp_path))
    assert found is not None
    assert (found.left_bytes, found.limit_bytes, found.limited_by) == (400 * 1024, 1000 * 1024, "the machine's memory")

    def group(limit: str, anonymous: int) -> None:
        folder = tmp_path / "sys" / "fs" / "cgroup" / "box"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("290000\n")
        (folder / "memory.stat").write_text(f"anon {anonymous}\nfile 90000\n")

    proc.write(f"{os.getpid()}/cgroup", "0::/box\n")
    proc.write("self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n")
    group("300000", 200_000)
    found = memory_headroom(ProcSource(proc.root, tmp_path))
    assert found is not None
    assert (found.left_bytes, found.limit_bytes, found.group) == (
        100_000,
        300_000,
        "/box",
    ) and "control group" in found.limited_by
    group("100000", 200_000)  # over its limit already, as it may be for a moment
    found = memory_headroom(ProcSource(proc.root, tmp_path))
    assert found is not None and found.left_bytes == 0
    group("max", 200_000)
    found = memory_headroom(ProcSource(proc.root, tmp_path))
    assert found is not None and found.limited_by == "the machine's memory"


def test_a_training_that_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(name="x", model=DaeConfig(hidden=(200,), loss="multinomial"))
    heap = SimpleNamespace(maxMemory=lambda: HEAP, totalMemory=lambda: HEAP // 2)
    java = SimpleNamespace(java=SimpleNamespace(lang=SimpleNamespace(Runtime=SimpleNamespace(getRuntime=lambda: heap))))
    context = SimpleNamespace(master="local[2]", _jvm=java)
    monkeypatch.setattr(memory_check, "memory_headroom", lambda: Headroom(10**9, 4 * 10**9, "the machine's memory"))
    with pytest.raises(UserError, match=r"about 3\.\d GB more .* 1\.0 GB of the machine's memory, 4\.0 GB, are left"):
        check_memory(arranged(context), config)
    anyway = config.model_copy(update={"training": TrainingConfig(check_memory=False)})
    check_memory(arranged(context), anyway)
    monkeypatch.setattr(memory_check, "memory_headroom", lambda: Headroom(10**10, 4 * 10**10, "the machine's memory"))
    check_memory(arranged(context), config)
    monkeypatch.setattr(memory_check, "memory_headroom", lambda: Headroom(10**9, 4 * 10**9, "the machine's memory"))
    with pytest.raises(UserError, match=r"GB of the machine's memory, 4\.0 GB, are left"):
        check_memory_early(config, context, Size(25_000_095, 162_541, 62_423))  # before the data phases
    check_memory_early(config, context, Size(100_000, 943, 1_682))
    check_memory_early(config, context, None)  # of the user's own files nothing is known beforehand
    some = config.model_copy(update={"data": DataConfig(dataset="ml-25m", year_to=1950)})
    check_memory_early(some, context, Size(25_000_095, 162_541, 62_423))  # nor of some years


GB = 10**9


def on_a_cluster(monkeypatch: pytest.MonkeyPatch, here: int, there_is: Any, cores: int = 1) -> None:
    """Looks at the memory for five workers, of 0.8 GB each."""
    config = Config(name="x", model=DaeConfig(hidden=(200,), loss="multinomial"), training=TrainingConfig(workers=5))
    context = SimpleNamespace(master="spark://host:7077", getConf=lambda: {"spark.executor.cores": str(cores)})
    monkeypatch.setattr(memory_check, "memory_headroom", lambda: Headroom(here, 64 * GB, MACHINE))
    monkeypatch.setattr(memory_check, "executor_headroom", there_is)
    check_memory(arranged(context), config)


@pytest.mark.parametrize(
    ("here", "there", "heap", "cores", "said"),
    [
        (
            GB,
            9 * GB,
            0,
            1,
            r"about 1\.\d GB more in the driver, and 1\.0 GB of the machine's memory, 64\.0 GB, are left:",
        ),
        (
            9 * GB,
            GB,
            0,
            1,
            r"about 1\.7 GB more on beta \(workers: 2, each 0\.8\), and 1\.0 GB of .* are left there: spread",
        ),
        (9 * GB, 2 * GB, 0, 1, None),
        (9 * GB, 2 * GB, GB // 4, 1, r"about 2\.2 GB more on beta"),  # heaps grow, too
        (9 * GB, 3 * GB, 0, 2, r"about 3\.3 GB more on beta \(workers: 4, each"),  # 5 by 2 of 3 executors, rounded up
    ],
)
def test_hosts_of_a_cluster_are_looked_at_one_by_one(
    monkeypatch: pytest.MonkeyPatch, here: int, there: int, heap: int, cores: int, said: str | None
) -> None:
    there_is = [
        ExecutorHeadroom("alpha", 1, Headroom(99 * GB, 99 * GB, "x")),
        ExecutorHeadroom("beta", 2, Headroom(there, 64 * GB, MACHINE), heap),
    ]
    asked: list[int] = []

    def ask(_: Any, executors: int) -> list[ExecutorHeadroom]:
        asked.append(executors)
        return there_is

    if said is None:
        on_a_cluster(monkeypatch, here, ask, cores)
        assert asked == [5]
        return
    with pytest.raises(UserError, match=said):
        on_a_cluster(monkeypatch, here, lambda *_: there_is, cores)


def test_a_driver_takes_from_the_same_memory_as_executors_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = ExecutorHeadroom(platform.node(), 2, Headroom(5 * GB, 64 * GB, MACHINE))
    with pytest.raises(UserError, match=r"about 5\.\d GB more on .*\(workers: 5, each 0\.8, and the driver\)"):
        on_a_cluster(monkeypatch, 5 * GB, lambda *_: [beside], cores=4)
    on_a_cluster(monkeypatch, 5 * GB, lambda *_: [replace(beside, host="another")], cores=4)


def test_executors_that_do_not_answer_hinder_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise TimeoutError

    on_a_cluster(monkeypatch, 9 * GB, silent)


def test_executors_of_one_machine_or_container_share_its_memory() -> None:
    machine, less = Headroom(9, 10, MACHINE), Headroom(8, 10, MACHINE)
    box, other = (Headroom(3, 4, "the limit of this control group", path) for path in ("/box", "/other"))
    told = [("1", "beta", machine, 5), ("0", "alpha", box, 0), ("2", "beta", less, 7), ("3", "alpha", box, 1),
            ("1", "beta", machine, 5), ("5", "alpha", other, 2)]  # fmt: skip
    answers = [ExecutorAnswer(executor, ExecutorHeadroom(name, 1, room, heap)) for executor, name, room, heap in told]
    assert by_memory([*answers, ExecutorAnswer("4", None)]) == [
        ExecutorHeadroom("alpha", 2, box, 1),
        ExecutorHeadroom("alpha", 1, other, 2),
        ExecutorHeadroom("beta", 2, less, 7),
    ]  # fmt: skip


def test_a_heap_grows_to_the_last_limit_that_it_was_given() -> None:
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)", "-Xmx9g", "-Xmx2048M"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        growth = heap_growth(process.pid)
        process.kill()
    assert 2**31 - 100 * 2**20 < growth < 2**31
    assert heap_growth(os.getpid()) == 0  # no JVM


@pytest.mark.parametrize(("used_gb", "fits"), [(0.5, True), (1.9, False)])
def test_a_limit_of_the_run_counts_what_it_has_and_what_is_certain(monkeypatch, used_gb: float, fits: bool) -> None:
    monkeypatch.setattr(memory_check, "memory_headroom", lambda: None)
    monkeypatch.setattr(memory_check, "TreeMemory", lambda pid: SimpleNamespace(look=lambda: int(used_gb * 1e9)))
    heap = SimpleNamespace(maxMemory=lambda: HEAP, totalMemory=lambda: 0)
    runtime = SimpleNamespace(getRuntime=lambda: heap)
    jvm = SimpleNamespace(java=SimpleNamespace(lang=SimpleNamespace(Runtime=runtime)))
    context = SimpleNamespace(master="local[1]", _jvm=jvm, defaultParallelism=1)
    config = Config(name="x", model=DaeConfig(hidden=(10,)), machine=MachineConfig(memory_gb=2.0))
    if fits:
        check_memory(arranged(context), config)
        return
    with pytest.raises(DoesNotFit, match=r"memory limit of 2,000 MB: training needs at least 1,9\d\d|2,\d\d\d MB"):
        check_memory(arranged(context), config)
    check_memory(arranged(context), config.model_copy(update={"training": TrainingConfig(check_memory=False)}))
