"""What a run may use of this machine, from `[machine]`: checked before it starts, and Spark's heap made to fit."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from recsys.config import Config
from recsys.errors import UserError
from spark_jobs.launcher.masters import manager_of
from spark_jobs.launcher.supervise import Limits

HEAP = "spark.driver.memory"
_LEAST_HEAP, _MOST_HEAP = 640, 2048  # MiB: Spark refuses to start with less; conf/spark/local.conf has the most


def limits_of(config: Config, master: str, cores: int) -> Limits:
    """The limits of a run with that master on this machine, which has so many cores.

    Raises:
        UserError: They cannot be held: on a cluster, on another system than Linux, or with more cores than there are.
    """
    machine = config.machine
    set_keys = [f"machine.{key}" for key in ("cores", "memory_gb") if getattr(machine, key) is not None]
    if set_keys and manager_of(master) != "local":
        raise UserError(
            f"{', '.join(set_keys)}: only for local masters; on {master} set spark.executor.cores and "
            "spark.executor.memory"
        )
    if set_keys and sys.platform != "linux":
        raise UserError(f"{', '.join(set_keys)}: only on Linux: drop it")
    if machine.cores is not None and machine.cores > cores:
        raise UserError(f"machine.cores = {machine.cores}: this machine has {cores}: set at most that")
    return Limits(machine.cores, None if machine.memory_gb is None else round(machine.memory_gb * 1e9))


def fitting_heap(config: Config, properties: Path, spark_options: Sequence[str]) -> str | None:
    """Spark's heap for `machine.memory_gb`, such as "750m": half of it, since Python needs the rest.

    None without that limit, and where the user has set the heap: in the settings, in the properties file of
    `--spark-conf` or behind `--`.
    """
    limit = config.machine.memory_gb
    own = HEAP in config.spark or any(HEAP in word or word == "--driver-memory" for word in spark_options)
    if limit is None or own or _sets_heap(properties):
        return None
    return f"{max(_LEAST_HEAP, min(_MOST_HEAP, int(limit * 1e9 / 2 / 2**20)))}m"


def _sets_heap(properties: Path) -> bool:
    """Whether the file sets another heap than conf/spark/local.conf does."""
    text = properties.read_text(encoding="utf-8", errors="replace")
    found = re.search(rf"^\s*{re.escape(HEAP)}[\s=:]+(\S+)", text, re.MULTILINE)
    return found is not None and found[1] != f"{_MOST_HEAP // 1024}g"
