"""Memory of many processes within a budget of CPU time, since asking the kernel for PSS walks over all pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from monitor.sampler.ledger import Key
from monitor.sources.base import PAGE_BYTES, Memory, Stat

BUDGET_FRACTION = 0.002  # of one core: a 6 GB JVM costs 35 ms a look
_BURST_SECONDS = 0.05  # what may be spent at once, at the start or after quiet times
_WORTH_FRACTION = 0.05  # a process that shares nothing is looked at again when its RSS changed by this
_TWIN_FRACTION = 0.005  # a fork has less RSS than its parent, as pages of files are not copied; a vfork has all


Families = Mapping[tuple[int, int], frozenset[Key]]


class _Known(NamedTuple):
    memory: Memory
    at: Stat
    family_faults: int
    cost_seconds: float


class MemoryReader:
    """PSS and USS of processes: read when it matters most, reckoned from the RSS, which is free, in between.

    A process is read when it is first seen, and all that were forked from one image are read again whenever one of
    them began or ended, as pages are then shared among more or fewer. Otherwise those whose pages changed most for
    the cost of reading them come first, until the budget is spent; for the rest the change of the RSS is taken as
    private, which it is but for mapped files. What cannot be read counts with its RSS.
    """

    def __init__(
        self,
        read: Callable[[int], Memory | None],  # of a pid; None if it is gone, PermissionError if it is not ours
        budget_fraction: float = BUDGET_FRACTION,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._read = read
        self._fraction = budget_fraction
        self._clock = cpu_clock
        self._left = _BURST_SECONDS
        self._at: float | None = None
        self._known: dict[Key, _Known] = {}
        self._seen: set[Key] = set()
        self.gone: set[Key] = set()
        """Processes that had ended when their memory was read, in the last look."""
        self._stale: set[Key] = set()
        self._families: dict[tuple[int, int], frozenset[Key]] = {}

    def measure(self, processes: Mapping[Key, Stat], now: float) -> dict[Key, Memory]:
        """Memory of each process at monotonic second `now`; those that have none, as zombies, are left out."""
        self._left = min(_BURST_SECONDS, self._left + self._fraction * (now - (now if self._at is None else self._at)))
        self._at = now
        alive = {key: stat for key, stat in processes.items() if not stat.ended}
        self._known = {key: known for key, known in self._known.items() if key in alive}
        self.gone.clear()
        twins = self._twins(alive)
        for key in twins:
            del alive[key]
        families = _families(alive)
        self._note_changed(alive, families)
        # what is urgent may be paid for later, but not without end
        for key in [key for key in alive if key in self._stale]:
            if self._left > -_BURST_SECONDS:
                self._look(key, alive, families)
        for key in self._worth(alive, families):
            alone = len(families[alive[key].image]) == 1  # its RSS says nearly all: what others need comes first
            if self._left >= (_BURST_SECONDS / 2 if alone else min(self._known[key].cost_seconds, _BURST_SECONDS)):
                self._look(key, alive, families)
        self._families = families
        return {key: self._reckon(key, stat, families) for key, stat in alive.items() if key not in self.gone}

    def _twins(self, alive: Mapping[Key, Stat]) -> list[Key]:
        """New processes that still have their parent's memory itself, between vfork and exec: it counts once."""
        pids = {stat.pid: stat for stat in alive.values()}
        new = alive.keys() - self._seen
        self._seen = set(alive)
        return [
            key
            for key in new
            if (parent := pids.get(alive[key].parent_pid)) is not None
            and parent.image == alive[key].image
            and parent.virtual_bytes == alive[key].virtual_bytes
            and abs(parent.rss_bytes - alive[key].rss_bytes) <= parent.rss_bytes * _TWIN_FRACTION
        ]

    def _note_changed(self, alive: Mapping[Key, Stat], families: Families) -> None:
        """Marks as stale: the new, those with a new image, and families that grew or shrank."""
        self._stale &= alive.keys()
        for key, stat in alive.items():
            known = self._known.get(key)
            if known is None or known.at.image != stat.image:
                self._known.pop(key, None)
                self._stale.add(key)
        for image, family in families.items():
            if family != self._families.get(image, family):
                self._stale |= family

    def _worth(self, alive: Mapping[Key, Stat], families: Families) -> list[Key]:
        """Those that changed, the most bytes for the cost of a look first."""
        faults = {image: sum(alive[key].minor_faults for key in family) for image, family in families.items()}
        found: list[tuple[float, Key]] = []
        for key, known in self._known.items():
            stat = alive[key]
            change = abs(stat.rss_bytes - known.at.rss_bytes)
            if (size := len(families[stat.image])) > 1:
                # a shared page that is written to is copied: no RSS shows it, and the others' shares grow too
                own = stat.minor_faults - known.at.minor_faults
                change = max(change, PAGE_BYTES * max(own, (faults[stat.image] - known.family_faults) // size))
            elif change < _WORTH_FRACTION * known.at.rss_bytes:
                continue
            if change > 0:
                found.append((-change / (known.cost_seconds + 1e-4), key))
        return [key for _, key in sorted(found)]

    def _look(self, key: Key, alive: Mapping[Key, Stat], families: Families) -> None:
        stat = alive[key]
        begin = self._clock()
        try:
            memory = self._read(stat.pid)
        except PermissionError:
            memory = Memory(stat.rss_bytes, stat.rss_bytes, stat.rss_bytes)
        cost = self._clock() - begin
        self._left -= cost
        if memory is None:
            self.gone.add(key)
            return
        faults = sum(alive[relative].minor_faults for relative in families[stat.image])
        self._known[key] = _Known(memory, stat, faults, cost)
        self._stale.discard(key)

    def _reckon(self, key: Key, stat: Stat, families: Families) -> Memory:
        known = self._known.get(key)
        if known is None:  # not read yet: taken as shared evenly by its family
            return Memory(stat.rss_bytes // len(families[stat.image]), 0, stat.rss_bytes)
        gained = stat.rss_bytes - known.at.rss_bytes
        if gained == 0:
            return known.memory._replace(rss_bytes=stat.rss_bytes)
        pss, uss = (max(0, bytes_then + gained) for bytes_then in known.memory[:2])
        return Memory(pss, uss, stat.rss_bytes)


def _families(alive: Mapping[Key, Stat]) -> dict[tuple[int, int], frozenset[Key]]:
    """Processes by the image that exec gave them or their forebear: forks share its pages."""
    found: dict[tuple[int, int], list[Key]] = {}
    for key, stat in alive.items():
        found.setdefault(stat.image, []).append(key)
    return {image: frozenset(keys) for image, keys in found.items()}
