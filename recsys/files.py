"""Files wherever Spark can write: a local disk, HDFS, an object store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def readable_path(address: str) -> str:
    """A file as its user knows it: a plain path where Spark's address is that of a local file."""
    return unquote(re.sub("^file:/+", "/", address)) if address.startswith("file:/") else address


class Files:
    """The file system of a path. Paths are as Spark takes them; Java's exceptions are passed on."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        context = spark.sparkContext
        self._hadoop: Any = context._jvm.org.apache.hadoop.fs  # type: ignore[union-attr]
        self._system = self._hadoop.Path(path).getFileSystem(context._jsc.hadoopConfiguration())

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder."""
        return bool(self._system.exists(self._hadoop.Path(path)))

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted; nothing where there is no folder."""
        if not self.exists(folder):
            return []
        return sorted(one.getPath().getName() for one in self._system.listStatus(self._hadoop.Path(folder)))

    def read(self, path: str) -> str:
        """A small text file."""
        stream = self._system.open(self._hadoop.Path(path))
        try:
            return bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()

    def write(self, path: str, text: str) -> None:
        """A small text file, over one that is there."""
        stream = self._system.create(self._hadoop.Path(path), True)
        stream.write(bytearray(text, "utf-8"))
        stream.close()

    def rename(self, path: str, to: str) -> None:
        """Moves a file or folder; OSError where the file system refuses."""
        if not self._system.rename(self._hadoop.Path(path), self._hadoop.Path(to)):
            raise OSError(f"{path} could not be renamed to {to}")

    def delete(self, path: str) -> None:
        """Deletes a file, or a folder with all that is in it; nothing where there is none."""
        self._system.delete(self._hadoop.Path(path), True)
