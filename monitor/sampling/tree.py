"""Who belongs to a process tree."""

from __future__ import annotations

import os

from monitor.sampling.ledger import Key
from monitor.sampling.procfs import Processes, Stat
from monitor.sampling.roles import Member, assign_role


class Tree:
    """A root, all below it, and the sidecar that looks. Who was in the tree stays in it, whatever becomes of parents.

    Orphans (double forks) are followed by (pid, start). One whose parent had ended before it was seen is taken in if
    a member reaps it (a subreaper), or if it is a plain fork of a member, without exec.
    """

    def __init__(self, root_pid: int, processes: Processes | None = None, own_pid: int | None = None) -> None:
        self._processes = processes or Processes()
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
        self._others: set[str] = set()  # entries of /proc that are not of the tree
        self._young: set[str] = set()  # looked at once: a parent that began at that moment may have been missed
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
        self._images = {one.stat.image: one for one in self.members.values() if any(one.stat.image)}
        self._began = True

    def root_is_alive(self) -> bool:
        """Whether the root itself, not a later process with its pid, has not ended."""
        return self._root in self.members and not self.members[self._root].stat.ended

    def anything_is_alive(self) -> bool:
        """Whether any member but a sidecar has not ended."""
        return any(one.role != "sidecar" and not one.stat.ended for one in self.members.values())

    def _read_again(self, key: Key, member: Member) -> bool:
        stat = self._processes.stat(key[0])
        if stat is None or stat.key != key:
            return False
        before, member.stat = member.stat, stat
        if not stat.ended and (stat.image, stat.name) != (before.image, before.name):  # exec
            self._note(member)
        return True

    def _adopt_roots(self) -> None:
        for pid in (self._root_pid, self._own_pid):
            stat = self._processes.stat(pid)
            if stat is not None and stat.key not in self.members:
                member = self._add(stat, None)
                if pid == self._own_pid:
                    member.kind = member.role = "sidecar"
        self._root = next((key for key in self.members if key[0] == self._root_pid), None)
        stat = self._processes.stat(self._root_pid)
        while stat is not None and stat.parent_pid not in self._reapers:  # any of them may reap orphans
            self._reapers.add(stat.parent_pid)
            stat = self._processes.stat(stat.parent_pid)

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
        strangers = {str(stat.pid) for stat in waiting}
        self._others |= strangers & self._young if self._began else strangers
        self._young = strangers - self._others

    def _left_behind(self, stat: Stat) -> Member | None:
        """The member that an orphan is a fork of."""
        return self._images.get(stat.image) if self._began and stat.parent_pid in self._reapers else None

    def _newcomers(self) -> list[Stat]:
        """Processes of the machine that may be of the tree; those known to be others are not read again."""
        last = self._processes.last_pid()
        if last is not None and last == self._last_pid and not self._young:
            return []  # nothing has begun anywhere
        names = self._processes.pids()
        self._others &= names
        self._forget_reused(self._last_pid, last)
        self._last_pid = last
        found = []
        for name in names - self._others - {str(pid) for pid, _ in self.members}:
            if not name.isdigit():
                self._others.add(name)
            elif (stat := self._processes.stat(name)) is None:
                self.vanished += 1
            else:
                found.append(stat)
        return found

    def _forget_reused(self, before: int | None, last: int | None) -> None:
        """Pids given out since the look before may be of new processes: pids go round."""
        if before is not None and last is not None and 0 <= last - before < len(self._others):
            self._others.difference_update(map(str, range(before + 1, last + 1)))
            return
        low, high = before or 0, last or 0
        round_trip = before is None or last is None or low > high
        self._others = {
            name
            for name in self._others
            if not name.isdigit() or (high < int(name) <= low if round_trip else not low < int(name) <= high)
        }

    def _add(self, stat: Stat, origin: Member | None) -> Member:
        member = self.members[stat.key] = Member(stat, origin, None)
        self._note(member)
        return member

    def _note(self, member: Member) -> None:
        if any(member.stat.image):
            self._images[member.stat.image] = member
        assign_role(member, self._processes.command(member.stat.pid))
