"""The command howdah-monitor."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.__main__ import main as run_monitor


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns its exit code; 2 for anything that the user must mend."""
    return run_monitor(argv)
