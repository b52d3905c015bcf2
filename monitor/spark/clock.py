"""How far another machine's clock is from this one's, told from what it said and when it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Exchange:
    """One question to another machine: sent and answered by this one's clock, begun and ended by that one's (seconds).

    What it did lay wholly between question and answer, so its clock was ahead by no more than begun - sent and by no
    less than ended - answered.
    """

    sent: float
    begun: float
    ended: float
    answered: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which the offset lies."""
        return self.ended - self.answered, self.begun - self.sent


def estimate_offset(exchanges: Sequence[Exchange]) -> tuple[float, float]:
    """The other clock's offset (that clock minus this one) and its largest error, both in seconds.

    All exchanges must agree, so each one narrows the bounds; where they do not, because a clock was set meanwhile,
    it is the offset of the quickest. ValueError without an exchange.
    """
    if not exchanges:
        raise ValueError("no exchange to tell the clock's offset from")
    low = max(exchange.bounds[0] for exchange in exchanges)
    high = min(exchange.bounds[1] for exchange in exchanges)
    if low > high:
        low, high = min((exchange.bounds for exchange in exchanges), key=lambda bounds: bounds[1] - bounds[0])
    return (low + high) / 2, max(0.0, high - low) / 2
