"""An archive of the classes that the driver's JVM loads. Jobs that map it start some seconds faster.

Class data sharing (JEP 350): a JVM that ends writes an archive of the classes that it has loaded. A JVM that starts
with an archive checks that the same JVM made it from the same jars, and otherwise ignores it.
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

SWITCH, OFF = "HOWDAH_CLASS_ARCHIVE", "off"  # in the environment: the archive is neither used nor made
_FREE_BYTES = 1 << 30  # several times its size: a JVM that cannot write it ends with an error
_AGENT = re.compile(r"-(javaagent|agentlib|agentpath):")  # with agents the JVM refuses to start
_QUIETLY = ["-Xlog:disable", "-Xlog:all=warning:stderr"]  # the JVM's warnings go to spark.log


class ClassArchive:
    """The archive in `folder` for one Java and one Spark. A job uses it where it exists, and may make it otherwise.

    `options` are the JVM's options for this job. Only a JVM that comes with an archive of its own classes can make
    another (HotSpot).
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
        """Whether no other job is making it; removes what other jobs left unfinished."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < _FREE_BYTES:
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
        """Whether this job's JVM makes the archive. If it cannot, it ends with an error although the job succeeded."""
        return self._made is not None

    def close(self, good: bool) -> None:
        """Ends the use: after a good job the new archive is kept, otherwise removed."""
        if self._made is not None and self._made.exists():
            if good:
                self._made.replace(self._archive)
            else:
                self._made.unlink()
        self._held.close()


def _can_be_made(spark: Path) -> bool:
    """Whether the JVM can make it: not with agents, nor where its class path has folders that are not empty."""
    folders = [os.environ.get(name) for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR")]
    folders.append(os.environ.get("SPARK_CONF_DIR") or str(spark / "conf"))
    options = " ".join(os.environ.get(name, "") for name in JAVA_VARIABLES)
    filled = any(folder and Path(folder).is_dir() and any(Path(folder).iterdir()) for folder in folders)
    return not filled and not _AGENT.search(options)


def _version(java: Path, spark: Path) -> str:
    """A name that changes with Java or Spark, also where another version is installed at the same path."""
    parts = [str(java.resolve()), str(spark.resolve())]
    for path in (java / "release", spark / "jars"):
        with contextlib.suppress(OSError):
            parts.append(str(path.stat().st_mtime_ns))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
