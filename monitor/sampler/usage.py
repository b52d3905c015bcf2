"""What each role of a process tree uses: one look at all its processes, as differences to the look before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from monitor.records import ROLES, RoleUsage
from monitor.sampler.ledger import Count, Key, Ledger, Spent
from monitor.sampler.memory import MemoryReader
from monitor.sampler.tree import Member, Tree
from monitor.sources import Memory, Source, Stat

_NO_MEMORY = Memory(0, 0, 0)
_COUNTED = ("cpu_ticks", "major_faults", "read_bytes", "write_bytes", "context_switches")


class _Read(NamedTuple):
    """What was last read of one process, and what its counters were then."""

    at: tuple[int, int, int, int]
    io: tuple[int, int]
    switches: int


_NOTHING_READ = _Read((-1, -1, -1, -1), (0, 0), 0)


@dataclass(frozen=True)
class TreeUsage:
    """One look: usage by role, and how many processes went away while they were looked at."""

    roles: dict[str, RoleUsage]
    vanished: int


class TreeMeter:
    """Looks at a tree again and again. The first look has no differences: what was used before is not its concern.

    CPU, faults and bytes of reaped children are counted once (see `Ledger`). The bytes of /proc/PID/io hold those of
    reaped children without telling them apart. Context switches are those of main threads: the kernel sums no others.
    """

    def __init__(self, tree: Tree, source: Source, memory: MemoryReader | None) -> None:
        """Without `memory` the resident size stands for the proportional and the private one."""
        self.tree = tree
        self._source = source
        self._memory = memory
        self._ledgers = {name: Ledger(apart=not name.endswith("_bytes")) for name in _COUNTED}
        self._read: dict[Key, _Read] = {}
        self._roles: list[dict[Key, str]] = []  # of the last looks, for what comes in after a process' end
        self._first = True

    def look(self, now: float) -> TreeUsage:
        """The tree at monotonic second `now`."""
        self.tree.look()
        members = self.tree.members
        memory = self._measure(members, now)
        spent = self._spend(members)
        self._roles = [{key: member.role for key, member in members.items()}, *self._roles[:2]]
        sums: dict[str, defaultdict[str, int]] = {role: defaultdict(int) for role in ROLES}
        for key, member in members.items():
            held = memory.get(key, _NO_MEMORY)
            part = sums[member.role]
            part["processes"] += not member.stat.ended
            part["threads"] += 0 if member.stat.ended else member.stat.threads
            part["pss_bytes"] += held.pss_bytes
            part["uss_bytes"] += held.uss_bytes
            part["rss_bytes"] += held.rss_bytes
        for name, amounts in spent.items():
            for key, amount in amounts.seen.items():
                sums[self._role(key)][name] += amount
            for key, amount in amounts.unseen.items():
                role = self._role(key)  # a watcher's children are what it watches
                sums["other" if role == "sidecar" else role][name] += amount
        self._first = False
        ticks = self._source.ticks_per_second
        used = {role: _usage(part, ticks) for role, part in sums.items() if any(part.values())}
        return TreeUsage(used, self.tree.vanished + (len(self._memory.gone) if self._memory else 0))

    def _measure(self, members: Mapping[Key, Member], now: float) -> dict[Key, Memory]:
        if self._memory is not None:
            return self._memory.measure({key: member.stat for key, member in members.items()}, now)
        alive = {key: member.stat.rss_bytes for key, member in members.items() if not member.stat.ended}
        return {key: Memory(rss, rss, rss) for key, rss in alive.items()}

    def _spend(self, members: Mapping[Key, Member]) -> dict[str, Spent]:
        """New counts by name."""
        self._read = {key: self._read_more(key, member.stat) for key, member in members.items()}
        stats = {key: member.stat for key, member in members.items()}
        read = self._read.items()
        now = {
            "cpu_ticks": {key: Count(stat.cpu_ticks, stat.reaped_cpu_ticks) for key, stat in stats.items()},
            "major_faults": {key: Count(stat.major_faults, stat.reaped_major_faults) for key, stat in stats.items()},
            "read_bytes": {key: Count(0, counters.io[0]) for key, counters in read},
            "write_bytes": {key: Count(0, counters.io[1]) for key, counters in read},
            "context_switches": {key: Count(counters.switches, 0) for key, counters in read},
        }
        parents = {key: member.parent.stat.key if member.parent else None for key, member in members.items()}
        spent = {name: self._ledgers[name].advance(counts, parents) for name, counts in now.items()}
        return {} if self._first else spent

    def _read_more(self, key: Key, stat: Stat) -> _Read:
        """Bytes and switches. Who used no time and touched no page since is not read again."""
        at = (stat.cpu_ticks, stat.reaped_cpu_ticks, stat.minor_faults, stat.major_faults)
        known = self._read.get(key, _NOTHING_READ)
        if known.at == at:
            return known
        # what cannot be read (a zombie's, another user's) stands as it was
        switches = self._source.switches(key[0])
        return _Read(at, self._source.io(key[0]) or known.io, known.switches if switches is None else switches)

    def _role(self, key: Key) -> str:
        return next((roles[key] for roles in self._roles if key in roles), "other")


def _usage(part: Mapping[str, int], ticks_per_second: int) -> RoleUsage:
    counts = {name: value for name, value in part.items() if name != "cpu_ticks"}
    return RoleUsage(cpu_seconds=round(part.get("cpu_ticks", 0) / ticks_per_second, 6), **counts)
