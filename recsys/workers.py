"""Python workers that have imported what they need before they start: Spark's daemon does it once, they are forks.

Spark keeps one daemon for every set of environment variables that RDDs and DataFrame functions were made with. There is
a light one (LIGHT) for everything but Elephas' own workers: `preloading` gives what is made within it the one with
TensorFlow.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import InheritableThread, SparkContext, SparkFiles

from recsys.errors import UserError

DAEMON = "howdah_daemon"
VARIABLE = "HOWDAH_PRELOAD"
LIGHT = "pyspark.worker,pyarrow,pandas,pyspark.sql.pandas.serializers,scipy.sparse,scipy.special,pydantic"
TENSORFLOW = "pyspark.worker,pyarrow,pandas,scipy.sparse,tensorflow,keras,elephas.spark_model,elephas.worker"
_OWN = ("recsys", "monitor", "spark_jobs")
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


def ship_source(context: SparkContext, module: str) -> None:
    """Ships the file or package that a module of the user's is in, so that workers can import it.

    What is this project's own is shipped with the job already. Raises UserError where the module has no source.
    """
    top = module.partition(".")[0]
    if top in _OWN:
        return
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise UserError(f"{top}: has no source file that can be sent to the workers: make it a module or a package")
    folder = Path(SparkFiles.getRootDirectory()) / "shipped"
    folder.mkdir(exist_ok=True)
    if not spec.submodule_search_locations:
        context.addPyFile(spec.origin)
        return
    archive = folder / f"{top}.zip"
    root = Path(spec.origin).parent
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                packed.write(path, Path(top) / path.relative_to(root))
    context.addPyFile(str(archive))


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
