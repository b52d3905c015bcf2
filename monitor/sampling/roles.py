"""The role of a process, by its command and what is above it: driver, jvm, worker, other, sidecar."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.sampling.procfs import Stat

_WORKER_WORDS = ("pyspark.daemon", "pyspark/daemon", "pyspark.worker", "pyspark/worker")


@dataclass(eq=False)
class Member:
    """One process of a tree: by whom it was started (None: from outside), and who is its parent now."""

    stat: Stat
    origin: Member | None
    parent: Member | None
    kind: str = "other"
    role: str = "other"

    def above(self) -> list[Member]:
        """Who started it, who started that one, and so on, whether or not they live."""
        found = []
        one = self.origin
        while one is not None:
            found.append(one)
            one = one.origin
        return found


def assign_role(member: Member, command: Sequence[str]) -> None:
    """Sets kind and role of a member by its command line, and mends the role of those above where it shows more."""
    above = member.above()
    member.kind = _kind(member.stat.name, command)
    member.role = _role(member.kind, command, above)
    java = next((place for place, one in enumerate(above) if one.kind == "java"), None)
    if member.role == "driver" and java is not None:
        # the job's own Python is below spark-submit's JVM: a Python above that is a launcher
        for one in above[java:]:
            if one.role == "driver":
                one.role = "other"


def _kind(name: str, command: Sequence[str]) -> str:
    if list(command[1:4]) == ["-m", "monitor", "watch"]:
        return "sidecar"
    program = os.path.basename(command[0]) if command else name
    if program.startswith(("python", "pypy")):
        return "python"
    return "java" if program == "java" else "other"


def _role(kind: str, command: Sequence[str], above: Sequence[Member]) -> str:
    if kind in ("sidecar", "java"):
        return "jvm" if kind == "java" else kind
    if kind != "python":
        return "other"
    below_java = any(one.kind == "java" for one in above)
    if any(one.role == "worker" for one in above):
        return "worker"
    return "worker" if below_java and any(word in part for part in command for word in _WORKER_WORDS) else "driver"
