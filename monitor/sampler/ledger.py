"""What processes used since the last look, when a counter of a child moves into its parent's as it is reaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Key = tuple[int, int]  # pid and start: one process, never a later one with its pid


class Count(NamedTuple):
    """A process' own counter, and what it took over from children that it has waited for."""

    own: int
    reaped: int


class Spent(NamedTuple):
    """What is new since the last look: by the process that used it, and for the rest by the one that reaped it."""

    seen: dict[Key, int]
    unseen: dict[Key, int]


class _Debt:
    """What has been counted of an ended process already, and will come again by way of whoever reaped it."""

    __slots__ = ("amount", "fresh", "key", "parent")

    def __init__(self, key: Key, parent: Key | None, amount: int) -> None:
        self.key, self.parent, self.amount, self.fresh = key, parent, amount, True


class Ledger:
    """Counts each unit of one growing counter once.

    When a process is reaped, all that it and its own reaped children used moves into its parent's reaped count.
    What had been counted of it before is taken off there; the rest is new: its last stretch, or all of a child that
    came and went between two looks. What a process reaped outside of the tree, or by a parent that ignores SIGCHLD,
    used after the last look at it is lost. Nothing is ever negative.
    """

    def __init__(self, apart: bool = True) -> None:
        """`apart`: whether counters tell own from reaped; if not, all is given as reaped and counted as own."""
        self._apart = apart
        self._last: dict[Key, Count] = {}
        self._parents: dict[Key, Key | None] = {}
        self._debts: list[_Debt] = []

    def advance(self, now: Mapping[Key, Count], parents: Mapping[Key, Key | None]) -> Spent:
        """Takes the counters of all processes alive or not yet reaped, and returns what is new, by process.

        `now` must have been read parents first: then no child is read that its parent has taken over already.
        `parents` has each process' parent as of this look, None for one outside. The last stretch of an ended child
        is its own if it was seen in the last looks. The first call counts everything.
        """
        spent: dict[Key, int] = {}
        unseen: dict[Key, int] = {}
        grown: dict[Key, int] = {}
        for key, count in now.items():
            last = self._last.get(key, _NOTHING)
            if (own := count.own - last.own) > 0:
                spent[key] = own
            if (reaped := count.reaped - last.reaped) > 0:
                grown[key] = reaped
        debts = self._debts
        debts += [_Debt(key, self._parents.get(key), sum(count)) for key, count in self._last.items() if key not in now]
        heirs = self._settle(debts, grown, now, parents)
        for key, rest in grown.items():
            if rest > 0:
                user = heirs.get(key) if self._apart else key
                into = unseen if user is None else spent
                into[user or key] = into.get(user or key, 0) + rest
        # one more look: a child may be reaped between the look at its parent and the look at itself
        self._debts = [debt for debt in debts if debt.fresh and debt.amount > 0]
        for debt in self._debts:
            debt.fresh = False
        gone = {debt.key: debt.parent for debt in self._debts}
        self._last = dict(now)
        self._parents = {**gone, **parents}
        return Spent(spent, unseen)

    def _settle(
        self, debts: list[_Debt], grown: dict[Key, int], now: Mapping[Key, Count], parents: Mapping[Key, Key | None]
    ) -> dict[Key, Key]:
        """Takes debts off what parents took over; returns the children just ended, by who reaped them."""
        heirs: dict[Key, Key] = {}
        orphans: list[tuple[_Debt, Key]] = []
        for debt in debts:
            reaper = debt.parent
            while reaper is not None and reaper not in now:
                reaper = self._parents.get(reaper)
            if reaper is None:
                continue
            if reaper == debt.parent:
                heirs[reaper] = debt.key
            else:
                # its parent ended as well: it went to the next above, or to a reaper of orphans further up
                orphans.append((debt, reaper))
            _pay(debt, reaper, grown)
        for debt, reaper in orphans:
            above = parents.get(reaper)
            while debt.amount > 0 and above is not None:
                _pay(debt, above, grown)
                above = parents.get(above)
        return heirs


_NOTHING = Count(0, 0)


def _pay(debt: _Debt, reaper: Key, grown: dict[Key, int]) -> None:
    paid = min(debt.amount, grown.get(reaper, 0))
    if paid > 0:
        debt.amount -= paid
        grown[reaper] -= paid
