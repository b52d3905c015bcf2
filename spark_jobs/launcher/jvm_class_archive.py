"""Spark's classes as the driver's JVM last had them, in a file that later ones map: a job starts some seconds sooner.

Class data sharing (JEP 350): a JVM that ends writes down the classes that it has loaded. One that starts with such a
file checks that it is of the very same JVM and archives, and does without it where it is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

from recsys.errors import UserError
from spark_jobs.launcher.java import JAVA_VARIABLES
from spark_jobs.launcher.lock import alone

SWITCH, OFF = "HOWDAH_CLASS_ARCHIVE", "off"  # in the environment: neither used nor made
_ROOM_BYTES = 1 << 30  # several times what it takes: a JVM that cannot write it down ends with an error
_AGENT = re.compile(r"-(javaagent|agentlib|agentpath):")  # with which it refuses to start
_QUIETLY = ["-Xlog:disable", "-Xlog:all=warning:stderr"]  # what the JVM has to say of it goes to spark.log


class ClassArchive:
    """The file for one Java and one Spark, in `folder`: used where it is there, else perhaps made by this job.

    `options` are the JVM's. Only a JVM that comes with an archive of its own classes can make one of others (HotSpot).
    """

    def __init__(self, java: Path, spark: Path, folder: Path, make: bool) -> None:
        self.options: list[str] = []
        self._held = contextlib.ExitStack()
        self._made: Path | None = None
        self._archive = folder / f"{_version(java, spark)}.jsa"
        if os.environ.get(SWITCH) == OFF or not (java / "lib" / "server" / "classes.jsa").exists():
            return
        if self._archive.exists():
            self.options = [f"-XX:SharedArchiveFile={self._archive}", *_QUIETLY]
        elif make and _can_be_made(spark) and self._alone(folder):
            self._made = folder / f"{os.getpid()}.making"
            self.options = [f"-XX:ArchiveClassesAtExit={self._made}", *_QUIETLY]

    def _alone(self, folder: Path) -> bool:
        """Whether no other job is about to make it; clears up what of others was never finished."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < _ROOM_BYTES:
                return False
            self._held.enter_context(alone(folder))
        except (OSError, UserError):
            return False
        for path in folder.iterdir():
            if path.suffix in (".jsa", ".making"):
                path.unlink()
        return True

    @property
    def making(self) -> bool:
        """Whether this job's JVM is to make it: where it cannot, it ends with an error, though the job did well."""
        return self._made is not None

    def close(self, good: bool) -> None:
        """The job has ended, well or not: what it has made is kept, or removed."""
        if self._made is not None and self._made.exists():
            if good:
                self._made.replace(self._archive)
            else:
                self._made.unlink()
        self._held.close()


def _can_be_made(spark: Path) -> bool:
    """Whether the JVM will: not where folders with something in them stand on its class path, nor with agents."""
    conf = Path(os.environ.get("SPARK_CONF_DIR") or spark / "conf")
    options = " ".join(os.environ.get(name, "") for name in JAVA_VARIABLES)
    return not (conf.is_dir() and any(conf.iterdir())) and not _AGENT.search(options)


def _version(java: Path, spark: Path) -> str:
    """Another one for another Java, or for another Spark in its place."""
    told = [str(java.resolve()), str(spark.resolve())]
    for place in (java / "release", spark / "jars"):
        with contextlib.suppress(OSError):
            told.append(str(place.stat().st_mtime_ns))
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
