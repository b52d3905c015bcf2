"""Python workers that have imported what they need before they start: Spark's daemon does it once, they are forks.

Spark keeps one daemon for every set of environment variables that RDDs and DataFrame functions were made with. There is
a light one (LIGHT) for everything but Elephas' own workers: `preloading` gives what is made within it the one with
TensorFlow.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import InheritableThread, SparkContext, SparkFiles

DAEMON = "howdah_daemon"
VARIABLE = "HOWDAH_PRELOAD"
LIGHT = "pyspark.worker,pyarrow,pandas,pyspark.sql.pandas.serializers,scipy.sparse,scipy.special,pydantic"
TENSORFLOW = "pyspark.worker,pyarrow,pandas,scipy.sparse,tensorflow,keras,elephas.spark_model,elephas.worker"
_MODULE = "spark.python.daemon.module"
PROPERTIES = {
    _MODULE: DAEMON,
    f"spark.executorEnv.{VARIABLE}": LIGHT,
    # as Spark sets it for DataFrame functions: else RDDs have a daemon and workers of their own beside those
    "spark.executorEnv.SPARK_SIMPLIFIED_TRACEBACK": "1",
}


def ship(context: SparkContext) -> None:
    """Puts the daemon's file where the executors' Python finds it; to be called before the first task.

    Executors fetch it to their working directory, which `python -m` searches first. Where the driver is the executor
    (local[N]) the working directory is the user's: there it is found by PYTHONPATH. Does nothing in a session whose
    daemon is another.
    """
    if context.getConf().get(_MODULE) != DAEMON:
        return
    source = pkgutil.get_data("recsys", f"{DAEMON}.py")  # from the archive of --py-files too
    assert source is not None
    folder = Path(SparkFiles.getRootDirectory()) / "daemon"  # Spark removes it at its end; executors fetch from it
    folder.mkdir(exist_ok=True)
    path = folder / f"{DAEMON}.py"
    path.write_bytes(source)
    context.addFile(path.as_uri())
    if _is_local(context):
        others = [one for one in context.environment.get("PYTHONPATH", "").split(":") if one not in ("", str(folder))]
        context.environment["PYTHONPATH"] = ":".join([str(folder), *others])


@contextmanager
def preloading(context: SparkContext, modules: str = TENSORFLOW) -> Iterator[None]:
    """Workers of RDDs and DataFrame functions made here have imported `modules` (comma-separated) when they start.

    Spark looks when an RDD is first used (an action, `persist`), when a DataFrame function is called.
    """
    before = context.environment.get(VARIABLE)
    context.environment[VARIABLE] = modules
    try:
        yield
    finally:
        if before is None:
            del context.environment[VARIABLE]
        else:
            context.environment[VARIABLE] = before


def warm_up(context: SparkContext, modules: str = TENSORFLOW) -> InheritableThread:
    """Starts the executors' daemons with `modules`, by a job beside what the driver does meanwhile; its thread.

    Until they have started Spark gives no Python worker to any other task of theirs. That it fails is left to the
    first job that needs them.
    """
    # in local[N] there is one daemon: the other cores stay free
    tasks = 1 if _is_local(context) else context.defaultParallelism
    with preloading(context, modules):
        made: Any = context.parallelize(range(tasks), tasks).mapPartitions(lambda rows: rows)._jrdd

    def run() -> None:
        with suppress(Py4JError):
            made.count()

    thread = InheritableThread(target=run, daemon=True)
    thread.start()
    return thread


def _is_local(context: SparkContext) -> bool:
    return str(context.master).startswith("local")
