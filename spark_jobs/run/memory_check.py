"""Compares the memory that training will take with what is free, on this machine and on a cluster's hosts."""

from __future__ import annotations

import logging
import os
import platform
from typing import Any

from monitor.headroom import Headroom, TreeMemory, memory_headroom
from monitor.spark import ExecutorHeadroom, executor_headroom
from recsys.arranged import Arranged
from recsys.config import Config
from recsys.data.sources.source import Size
from recsys.data.split import TRAIN
from recsys.errors import DoesNotFit
from recsys.training.local_sgd.rounds import local_cores
from recsys.training.memory import training_needs

_NO_LIMIT = 1 << 60
_log = logging.getLogger("howdah")
_REMEDY = "narrow the selection by data.year_from and data.year_to, or set training.check_memory = false"


def check_memory_early(config: Config, context: Any, size: Size | None) -> None:
    """Checks before the data phases, for a data set of known size. The estimate is low on purpose, so that no run is
    refused wrongly."""
    if size is None or (config.data.year_from, config.data.year_to) != (None, None) or config.data.sample_ratings:
        return
    fraction = 0.9 if config.data.positive_from is None else 0.5
    rows, columns = (size.movies, size.users) if config.data.orientation == "movie" else (size.users, size.movies)
    _check(config, context, int(fraction * columns), rows // 2, size.ratings // 2)


def check_memory(arranged: Arranged, config: Config) -> None:
    """DoesNotFit, before training, where this machine or a host of the cluster has too little memory."""
    rows, ratings = arranged.parts[TRAIN].rows, int(arranged.dataset.statistics["ratings"])
    _check(config, arranged.context, arranged.examples.width, rows, ratings)


def _check(config: Config, context: Any, columns: int, rows: int, ratings: int) -> None:
    if not config.training.check_memory:
        return
    if str(context.master).startswith("local"):
        _check_machine(config, context, columns, rows, ratings)
    else:
        _check_cluster(config, context, columns, rows, ratings)


def _check_machine(config: Config, context: Any, columns: int, rows: int, ratings: int) -> None:
    heap = context._jvm.java.lang.Runtime.getRuntime()
    left, cores = heap.maxMemory() - heap.totalMemory(), local_cores(context) or 1
    _check_limit(config, columns, rows, ratings, cores)
    needs = training_needs(config, columns, rows, ratings, cores, left)
    here = memory_headroom()
    if here is not None and needs.total > here.left_bytes:
        parts = {"driver": needs.driver, "workers": needs.workers, "Spark's JVM": needs.heap}
        listed = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in parts.items())
        raise DoesNotFit(
            f"training would take about {needs.total / 1e9:.1f} GB more ({listed}), and {_left(here)}: lower "
            f"training.workers = {config.training.workers} or model.hidden, {_REMEDY}"
        )


def _check_limit(config: Config, columns: int, rows: int, ratings: int, cores: int) -> None:
    """Refuses what is certain not to fit machine.memory_gb. The launcher ends a run that takes more than it for other
    reasons, and Spark's heap takes what it gets."""
    if config.machine.memory_gb is None:
        return
    limit, more = (
        round(config.machine.memory_gb * 1e9),
        training_needs(config, columns, rows, ratings, cores, 0, fixed=False),
    )
    used = TreeMemory(os.getppid()).look()  # of the JVM and all below it
    if used + more.total > limit:
        raise DoesNotFit(
            f"memory limit of {limit / 1e6:,.0f} MB: training needs at least {(used + more.total) / 1e6:,.0f} MB "
            f"({used / 1e6:,.0f} in use, {more.total / 1e6:,.0f} for model and data): raise machine.memory_gb, or set "
            "training.check_memory = false"
        )


def _check_cluster(config: Config, context: Any, columns: int, rows: int, ratings: int) -> None:
    """Checks the driver's Python here, and workers and executor JVMs on their hosts, but not YARN's limit for memory
    outside the JVM (spark.executor.memoryOverhead)."""
    workers = config.training.workers
    needs = training_needs(config, columns, rows, ratings, cores=1, heap_limit=_NO_LIMIT)
    here = memory_headroom()
    if here is not None and needs.driver > here.left_bytes:
        raise DoesNotFit(
            f"training would take about {needs.driver / 1e9:.1f} GB more in the driver, and {_left(here)}: lower "
            f"model.hidden, {_REMEDY}"
        )
    hosts = _executor_headroom(context, workers)
    executors = sum(host.executors for host in hosts)
    for host in hosts:
        slots = host.executors * int(context.getConf().get("spark.executor.cores", "1"))
        there = min(slots, -(-workers * host.executors // executors))  # as Spark spreads them
        total = there * needs.workers + host.executors * min(host.heap_growth_bytes, needs.heap // executors)
        beside = here is not None and (host.host, host.headroom.group) == (platform.node(), here.group)
        total += needs.driver if beside else 0
        if total > host.headroom.left_bytes:
            listed = f"workers: {there}, each {needs.workers / 1e9:.1f}" + (", and the driver" if beside else "")
            raise DoesNotFit(
                f"training would take about {total / 1e9:.1f} GB more on {host.host} ({listed}), and "
                f"{_left(host.headroom)} there: spread executors over more hosts, lower model.hidden or "
                f"training.batch_size, {_REMEDY}"
            )


def _executor_headroom(context: Any, workers: int) -> list[ExecutorHeadroom]:
    """The free memory that executors report; empty where they cannot be asked: the job's own tasks will show why."""
    try:
        return executor_headroom(context, workers)
    except Exception as error:
        _log.debug(f"the executors do not say how much memory is left: {type(error).__name__}: {error}")
        return []


def _left(headroom: Headroom) -> str:
    left, limit = headroom.left_bytes / 1e9, headroom.limit_bytes / 1e9
    return f"{left:.1f} GB of {headroom.limited_by}, {limit:.1f} GB, are left"
