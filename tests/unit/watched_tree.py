"""A process tree made by hand, and its meter."""

from __future__ import annotations

from pathlib import Path

from fake_proc import FakeProc

from monitor.sampler.memory import MemoryReader
from monitor.sampler.tree import Tree
from monitor.sampler.usage import TreeMeter, TreeUsage
from monitor.sources.proc import TICKS_PER_SECOND, ProcSource

ROOT, SIDECAR = 100, 900
DAEMON = ["python3", "-m", "pyspark.daemon", "pyspark.worker"]
JAVA = {"name": "java", "command": ["/opt/java/bin/java", "-cp", "x", "org.apache.spark.deploy.SparkSubmit"]}


class Watched:
    """A meter of the tree below ROOT."""

    def __init__(self, folder: Path) -> None:
        self.fake = FakeProc(folder)
        self.fake.set(1, name="init", parent=0, command=["/sbin/init"])
        source = ProcSource(folder)
        self.tree = Tree(ROOT, source, SIDECAR)
        self.meter = TreeMeter(self.tree, source, MemoryReader(source.memory))
        self.now = 0.0

    def look(self) -> TreeUsage:
        self.now += 1
        return self.meter.look(self.now)

    def seconds(self) -> dict[str, float]:
        """CPU ticks since the look before, by role."""
        used = self.look().roles
        return {role: round(one.cpu_seconds * TICKS_PER_SECOND) for role, one in used.items() if one.cpu_seconds}

    def pids(self) -> set[int]:
        self.look()
        return {pid for pid, _ in self.tree.members}

    def role(self, pid: int) -> str:
        return next(one.role for (known, _), one in self.tree.members.items() if known == pid)


def watch_tree(folder: Path) -> Watched:
    """ROOT below a shell, with its sidecar, and another shell beside them."""
    one = Watched(folder)
    one.fake.set(ROOT, parent=50)
    one.fake.set(50, name="bash", parent=1, command=["bash"])
    one.fake.set(51, name="bash", parent=1, command=["bash"])
    one.fake.set(SIDECAR, parent=ROOT, command=["python3", "-m", "monitor", "watch"])
    return one
