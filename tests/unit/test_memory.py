"""Memory of processes that end, refuse, fork, or cost much to be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_proc import PAGE
from watched_tree import ROOT, Watched, watch_tree

from monitor.sampler.memory import MemoryReader
from monitor.sources.base import Memory
from monitor.sources.proc import ProcSource


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return watch_tree(tmp_path)


def test_what_ended_while_it_was_read_has_no_memory(watched: Watched) -> None:
    watched.fake.set(101, parent=ROOT)
    (watched.fake.root / "101" / "smaps_rollup").write_text("")
    found = watched.look()
    assert (found.roles["driver"].pss_bytes, found.vanished) == (100 * PAGE, 1)


def test_memory_that_may_not_be_read_counts_with_its_rss(watched: Watched) -> None:
    def refuse(pid: int) -> Memory:
        raise PermissionError(pid)

    stat = ProcSource(watched.fake.root).stat(ROOT)
    assert stat is not None
    assert MemoryReader(refuse).measure({stat.key: stat}, 0.0) == {stat.key: Memory(*(100 * PAGE,) * 3)}


class Kernel:
    """Memory that is asked for, at a cost of CPU time."""

    def __init__(self, cost_seconds: float) -> None:
        self.asked: list[int] = []
        self.seconds = 0.0
        self._cost = cost_seconds
        self.memory: dict[int, Memory] = {}

    def read(self, pid: int) -> Memory:
        self.asked.append(pid)
        self.seconds += self._cost
        return self.memory[pid]


def test_a_costly_process_is_asked_rarely_and_reckoned_in_between(watched: Watched) -> None:
    kernel = Kernel(cost_seconds=0.035)  # as a JVM of 6 GB
    reader = MemoryReader(kernel.read, budget_fraction=0.002, cpu_clock=lambda: kernel.seconds)
    kernel.memory[ROOT] = Memory(990, 980, 1000)
    processes = ProcSource(watched.fake.root)
    found = []
    for second in range(100):
        watched.fake.set(ROOT, rss=(1000 + 100 * second) * PAGE)
        stat = processes.stat(ROOT)
        assert stat is not None
        kernel.memory[ROOT] = Memory(stat.rss_bytes - 10, stat.rss_bytes - 20, stat.rss_bytes)
        found.append(reader.measure({stat.key: stat}, float(second))[stat.key] == kernel.memory[ROOT])
    assert all(found)
    assert 2 <= len(kernel.asked) <= 0.002 * 100 / 0.035 + 2


def test_a_fork_makes_its_whole_family_be_read_again(watched: Watched) -> None:
    watched.fake.set(ROOT, rss=1000 * PAGE, pss=1000 * PAGE)
    watched.look()
    # half of each page goes to the child, though the parent's RSS is as it was
    watched.fake.set(ROOT, pss=500 * PAGE)
    watched.fake.set(101, parent=ROOT, image=ROOT, rss=900 * PAGE, pss=500 * PAGE)
    assert watched.look().roles["driver"].pss_bytes == 1000 * PAGE
    watched.fake.end(101)
    watched.fake.set(ROOT, pss=1000 * PAGE)
    assert watched.look().roles["driver"].pss_bytes == 1000 * PAGE
