"""Java for sessions and clusters of tests: many small jobs, for which fewer compilers and threads take less time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from spark_jobs.launcher.java import find_java
from spark_jobs.launcher.jvm_class_archive import ClassArchive

ROOT = Path(__file__).resolve().parents[1]
SPARK = Path(pyspark.__file__).parent
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # half the processor time of jobs as short as these


def java_home() -> Path:
    """The Java that jobs run with."""
    return find_java(ROOT / ".venv" / "java")


def with_archive() -> str:
    """QUICK_JAVA, and Spark's classes as jobs keep them where one has: what jobs do by themselves."""
    archive = ClassArchive(java_home(), SPARK, ROOT / ".venv" / "cache" / "java", make=False)
    return " ".join([QUICK_JAVA, *archive.options])


@contextmanager
def quick_java() -> Iterator[None]:
    """A JVM that is started meanwhile starts and runs small jobs quickly."""
    before = os.environ.get("JDK_JAVA_OPTIONS")
    os.environ["JDK_JAVA_OPTIONS"] = with_archive()
    try:
        yield
    finally:
        del os.environ["JDK_JAVA_OPTIONS"]
        if before is not None:
            os.environ["JDK_JAVA_OPTIONS"] = before
