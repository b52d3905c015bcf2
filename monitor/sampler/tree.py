"""Which processes belong to a tree, and the role of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.sampler.ledger import Key
from monitor.sources import Source, Stat

MONITOR_COMMANDS = ("watch", "sidecar")
_WORKER_WORDS = ("pyspark.daemon", "pyspark/daemon", "pyspark.worker", "pyspark/worker")


@dataclass(eq=False)
class Member:
    """One process of a tree: its `origin` started it (None: from outside), `parent` is its parent now."""

    stat: Stat
    origin: Member | None
    parent: Member | None
    kind: str = "other"
    role: str = "other"

    def above(self) -> list[Member]:
        """The process that started it, the one that started that, and so on, whether or not they live."""
        found = []
        member = self.origin
        while member is not None:
            found.append(member)
            member = member.origin
        return found


def is_monitor_command(command: Sequence[str]) -> bool:
    """Whether a command line is that of a sidecar, or of `monitor watch`."""
    words = list(command[1:4])
    if len(words) > 1 and os.path.basename(words[0]) == "howdah-monitor":  # the installed script
        words = ["-m", "monitor", words[1]]
    return words[:2] == ["-m", "monitor"] and words[-1] in MONITOR_COMMANDS


def assign_role(member: Member, command: Sequence[str]) -> None:
    """Sets kind and role of a member by its command line, and mends the role of those above where it shows more."""
    above = member.above()
    member.kind = _kind(member.stat.name, command)
    member.role = _role(member.kind, command, above)
    java = next((index for index, upper in enumerate(above) if upper.kind == "java"), None)
    if member.role == "driver" and java is not None:
        # the job's own Python is below spark-submit's JVM: a Python above that is a launcher
        for upper in above[java:]:
            if upper.role == "driver":
                upper.role = "other"


def _kind(name: str, command: Sequence[str]) -> str:
    if is_monitor_command(command):
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
    below_java = any(upper.kind == "java" for upper in above)
    if any(upper.role == "worker" for upper in above):
        return "worker"
    return "worker" if below_java and any(word in part for part in command for word in _WORKER_WORDS) else "driver"


class Tree:
    """A root, all below it, and the sidecar that looks. Who was in the tree stays in it, whatever becomes of parents.

    Orphans (double forks) are followed by (pid, start). One whose parent had ended before it was seen is taken in if
    a member reaps it (a subreaper), or if it is a plain fork of a member, without exec.
    """

    def __init__(self, root_pid: int, source: Source, own_pid: int | None = None) -> None:
        self._source = source
        self._own_pid = os.getpid() if own_pid is None else own_pid
        self._root_pid = root_pid
        self._root: Key | None = None
        self.members: dict[Key, Member] = {}
        """By pid and start, parents before their children, zombies included."""
        self.vanished = 0
        """Processes that were listed and gone when they were read, in the last look."""
        self._images: dict[tuple[int, int], Member] = {}
        self._reapers = {1}
        self._began = False
        self._others: set[int] = set()  # pids of the machine that are not of the tree
        self._young: set[int] = set()  # looked at once: a parent that began at that moment may have been missed
        self._last_pid: int | None = None

    def look(self) -> None:
        """Reads all members, parents first, and finds new ones."""
        self.vanished = 0
        for key in [key for key, member in self.members.items() if not self._read_again(key, member)]:
            del self.members[key]
        if not self._began:
            self._adopt_roots()
        self._find_new()
        by_pid = {member.stat.pid: member for member in self.members.values()}
        for member in self.members.values():
            member.parent = by_pid.get(member.stat.parent_pid)
        self._images = {member.stat.image: member for member in self.members.values() if any(member.stat.image)}
        self._began = True

    def root_is_alive(self) -> bool:
        """Whether the root itself, not a later process with its pid, has not ended."""
        return self._root in self.members and not self.members[self._root].stat.ended

    def anything_is_alive(self) -> bool:
        """Whether any member but a sidecar has not ended."""
        return any(member.role != "sidecar" and not member.stat.ended for member in self.members.values())

    def _read_again(self, key: Key, member: Member) -> bool:
        stat = self._source.stat(key[0])
        if stat is None or stat.key != key:
            return False
        before, member.stat = member.stat, stat
        if not stat.ended and (stat.image, stat.name) != (before.image, before.name):  # exec
            self._note(member)
        return True

    def _adopt_roots(self) -> None:
        for pid in (self._root_pid, self._own_pid):
            stat = self._source.stat(pid)
            if stat is not None and stat.key not in self.members:
                member = self._add(stat, None)
                if pid == self._own_pid:
                    member.kind = member.role = "sidecar"
        self._root = next((key for key in self.members if key[0] == self._root_pid), None)
        stat = self._source.stat(self._root_pid)
        while stat is not None and stat.parent_pid not in self._reapers:  # any of them may reap orphans
            self._reapers.add(stat.parent_pid)
            stat = self._source.stat(stat.parent_pid)

    def _find_new(self) -> None:
        pids = {member.stat.pid: member for member in self.members.values()}
        waiting = sorted(self._newcomers(), key=lambda stat: (stat.start_ticks, stat.pid))
        found = True
        while found:  # again where pids went round within a tick, so that a child came before its parent
            found, left = False, []
            for stat in waiting:
                origin = pids.get(stat.parent_pid) or self._left_behind(stat)
                if origin is None or origin.stat.start_ticks > stat.start_ticks:
                    left.append(stat)
                else:
                    pids[stat.pid] = self._add(stat, origin)
                    found = True
            waiting = left
        strangers = {stat.pid for stat in waiting}
        self._others |= strangers & self._young if self._began else strangers
        self._young = strangers - self._others

    def _left_behind(self, stat: Stat) -> Member | None:
        """The member that an orphan is a fork of."""
        return self._images.get(stat.image) if self._began and stat.parent_pid in self._reapers else None

    def _newcomers(self) -> list[Stat]:
        """Processes of the machine that may be of the tree; those known to be others are not read again."""
        last = self._source.last_pid()
        if last is not None and last == self._last_pid and not self._young:
            return []  # nothing has begun anywhere
        pids = self._source.pids()
        self._others &= pids
        self._forget_reused(self._last_pid, last)
        self._last_pid = last
        found = []
        for pid in pids - self._others - {pid for pid, _ in self.members}:
            stat = self._source.stat(pid)
            if stat is None:
                self.vanished += 1
            else:
                found.append(stat)
        return found

    def _forget_reused(self, before: int | None, last: int | None) -> None:
        """Forgets strangers whose pid may have been given to a new process since the look before: pids go round.

        Where the source does not know the last pid, a pid that was reused between two looks is not noticed.
        """
        if before is None or last is None:
            return
        if 0 <= last - before < len(self._others):
            self._others.difference_update(range(before + 1, last + 1))
        elif last >= before:
            self._others = {pid for pid in self._others if not before < pid <= last}
        else:  # they went round
            self._others = {pid for pid in self._others if last < pid <= before}

    def _add(self, stat: Stat, origin: Member | None) -> Member:
        member = self.members[stat.key] = Member(stat, origin, None)
        self._note(member)
        return member

    def _note(self, member: Member) -> None:
        if any(member.stat.image):
            self._images[member.stat.image] = member
        assign_role(member, self._source.command(member.stat.pid))
