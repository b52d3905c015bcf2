"""How tests are shared out to pytest's processes (`-n`): a file to one of them, but for those that start jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# an example may take long where other tests run beside it
settings.register_profile("howdah", deadline=None)
settings.load_profile("howdah")

JOBS = Path(__file__).with_name("cluster")  # these take long, and what they share lies on disk
MADE_FIRST = ("compared", "trained", "undisturbed")  # what many of them wait for, until one process has made it


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = "cluster" if "on_cluster" in getattr(item, "fixturenames", ()) else str(item.path)
        if group == "cluster" or JOBS not in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(group))
    jobs = [item for item in items if JOBS in item.path.parents]
    makers = {next((item for item in jobs if name in getattr(item, "fixturenames", ())), None) for name in MADE_FIRST}
    items.sort(key=lambda item: item not in makers)  # each of these begins in another process
