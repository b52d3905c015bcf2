"""The folder conf/ with the experiments: the clone's, through the link `recsys/conf`, or the installed copy."""

from __future__ import annotations

from pathlib import Path

CONF = (Path(__file__).resolve().parent / "conf").resolve()
EXPERIMENTS = CONF / "experiments"
GRIDS = CONF / "grids"
