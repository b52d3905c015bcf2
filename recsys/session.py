"""Spark sessions: what every one of this project's needs, and one for a notebook or a shell."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recsys import workers as python_workers
from recsys.errors import UserError
from recsys.secrets import PATTERN
from recsys.tensorflow_env import BACKEND

PROPERTIES = {
    **python_workers.PROPERTIES,
    "spark.redaction.regex": PATTERN,  # what Spark hides in its event log
    "spark.sql.session.timeZone": "UTC",  # the same dates on every machine
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",  # of what was written; Spark writes them by itself
    "spark.ui.showConsoleProgress": "false",  # the run shows its own
    # workers' threads: one each, also in libraries that look at the environment alone
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
    "spark.executorEnv.TF_CPP_MIN_LOG_LEVEL": "3",
    "spark.executorEnv.CUDA_VISIBLE_DEVICES": "",
    "spark.executorEnv.KERAS_BACKEND": BACKEND,
    "spark.executorEnv.KERAS_HOME": os.devnull + "/keras",  # Keras leaves no settings behind
}
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",  # nothing listens to the network
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}


def local_session(workers: int, name: str = "notebook", memory: str = "2g") -> SparkSession:
    """A Spark session below this process, with `workers` cores; its workers import recsys from where it is here.

    For notebooks and shells: jobs get theirs from spark-submit. What Spark's JVM (of `memory`) and its workers write
    to the screen is left out. A session that there is already is returned as it is. UserError where Spark does not
    start. Sets PYSPARK_PYTHON where that is not set.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    properties = {
        **PROPERTIES,
        **_LOCAL,
        "spark.driver.memory": memory,
        "spark.executorEnv.PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
    artifacts = Path.cwd() / "artifacts"
    foreign = artifacts.exists()
    builder = SparkSession.builder.master(f"local[{workers}]").appName(name)
    for key, value in properties.items():
        builder = builder.config(key, value)
    with tempfile.TemporaryFile() as log:
        try:
            with _screen_to(log):
                session = builder.getOrCreate()
        except (PySparkException, OSError) as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()
            why = next((line for line in lines if line.strip() and not line.startswith("WARNING")), str(error))
            raise UserError(f"Spark does not start: {why}: it needs Java 17 or 21, set JAVA_HOME to it") from None
    python_workers.ship(session.sparkContext)
    if not foreign:
        _tidy_after(session, artifacts)
    return session


@contextmanager
def _screen_to(file: IO[bytes]) -> Iterator[None]:
    """What this process, and those that it starts meanwhile for as long as they live, write to standard error."""
    sys.stderr.flush()
    screen = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)


def _tidy_after(session: SparkSession, artifacts: Path) -> None:
    """Removes the folder that Spark 4.0 makes where it is started and leaves, once the session or Python ends."""
    stop = session.stop

    def stop_and_tidy() -> None:
        stop()
        _tidy(artifacts)

    setattr(session, "stop", stop_and_tidy)  # noqa: B010 - mypy would have no method assigned
    atexit.register(_tidy, artifacts)


def _tidy(artifacts: Path) -> None:
    """Removes the folder, if nothing was put there."""
    for folder in (*sorted(artifacts.glob("spark-*/**/"), reverse=True), artifacts):
        with suppress(OSError):
            folder.rmdir()
