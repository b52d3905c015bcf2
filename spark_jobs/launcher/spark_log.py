"""Spark's own log: why a JVM ended before the job could say anything."""

from __future__ import annotations

import re
from pathlib import Path

_LOOKED_AT = 200_000  # bytes from the start and from the end of the log
_LONGEST = 300
# the JVM does not start; its launcher or SparkSubmit ends; Spark ends the JVM
_CAUSES = (
    r"^Error occurred during initialization of (?:VM|boot layer)\n(.+)",
    r"^(.+)\n(?:Did you mean .+\n)?Error: Could not create the Java Virtual Machine",
    r"commit_memory\(.*\) (failed; error='[^']+')",
    r'^Exception in thread "main" ((?:.|\n(?!\s+at |Caused by|\d\d/))+)',
    r"^Error: (.+)",
    r"^\S+ \S+ ERROR \S+ (Failed to create directory \S+)",
    r"^\S+ \S+ ERROR \S+ (Failed to create any local dir.*)",
    r"^\S+ \S+ ERROR \S+ Application has been killed. Reason: (.+)",
    r"^(java\.lang\.OutOfMemoryError.*)",
    r"^\S+: line \d+: (.+)",
)
_NAMES = re.compile(r"^(?:[\w$]+\.)+([\w$]+(?:Exception|Error)): ")
_PLAIN = ("SparkException", "SparkIllegalArgumentException", "IllegalArgumentException", "SparkUserAppException")


def cause_in(log: Path) -> str | None:
    """The reason for the end, in one line, out of the log of spark-submit; None where the log gives none.

    The name of an exception that says nothing is left out, and so are stack traces.
    """
    try:
        with log.open("rb") as file:
            text = file.read(_LOOKED_AT)
            size = log.stat().st_size
            if size > 2 * _LOOKED_AT:
                file.seek(size - _LOOKED_AT)
            text += b"\n" + file.read()
    except OSError:
        return None
    lines = text.decode("utf-8", "replace")
    for pattern in _CAUSES:
        if found := re.search(pattern, lines, re.MULTILINE):
            return _one_line(found[1])
    return None


def _one_line(text: str) -> str:
    line = " ".join(text.split()).replace("failed; error=", "Java gets no memory, lower spark.driver.memory: ")
    name = _NAMES.match(line)
    if name and name[1] in _PLAIN:
        line = line[name.end() :]
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."
