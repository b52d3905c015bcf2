"""What a user of the monitor must mend."""

from __future__ import annotations


class MonitorError(ValueError):
    """A request that cannot be met; the message is one line that names the remedy."""
