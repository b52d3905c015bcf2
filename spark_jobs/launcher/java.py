"""Finds Java 17 or 21, which Spark 4.0 needs, or fetches Java 17 into the folder for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from recsys.errors import UserError
from spark_jobs.launcher.installation import PROGRAM, check_installed

SUPPORTED = (17, 21)
JAVA_VARIABLES = ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
_COMPILER = re.compile(r"TieredStopAtLevel|TieredCompilation|ReservedCodeCacheSize")


def find_java(own_folder: Path) -> Path:
    """The home of Java 17 or 21: JAVA_HOME, that of `java` on PATH, or one below `own_folder`, in this order.

    Raises UserError, in one line with the remedy, where there is none.
    """
    seen = []
    candidates = [os.environ.get("JAVA_HOME", "")]
    if on_path := shutil.which("java"):
        candidates.append(str(Path(on_path).resolve().parent.parent))
    candidates += [str(path.parent.parent) for path in sorted(own_folder.glob("**/bin/java"))]
    for home in filter(None, candidates):
        version = java_version(Path(home))
        if version in SUPPORTED:
            return Path(home).absolute()
        seen.append(f"{home} is {'Java ' + str(version) if version else 'no Java'}")
    others = f" ({'; '.join(seen)})" if seen else ""
    raise UserError(
        f"Java 17 or 21 is needed and neither is installed{others}: set JAVA_HOME, or run '{PROGRAM} --install-java', "
        f"which fetches Java 17 into {own_folder}"
    )


def java_version(home: Path) -> int | None:
    """The major version of the Java at `home`, from its release file or by asking it; None where there is none."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return None
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
        pattern = r'JAVA_VERSION="([\d.]+)'
    except OSError:
        command = [str(home / "bin" / "java"), "-XX:-UsePerfData", "-version"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        text, pattern = asked.stderr, r'version "([\d.]+)'
    match = re.search(pattern, text)
    if not match:
        return None
    major, *rest = match.group(1).split(".")
    return int(rest[0]) if major == "1" and rest else int(major)


def install_java(own_folder: Path) -> Path:
    """Fetches Java 17 into `own_folder` with install-jdk and returns its home; UserError where that fails."""
    check_installed(["jdk"])
    import jdk

    print(f"fetching Java 17 into {own_folder} ...", file=sys.stderr, flush=True)
    own_folder.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(own_folder)  # the archive too stays in the folder
    try:
        jdk.install("17", path=str(own_folder))
    except Exception as error:  # whatever the network or the archive does
        raise UserError(
            f"Java could not be fetched ({error}): install Java 17 or 21 by hand and set JAVA_HOME"
        ) from None
    return find_java(own_folder)


def tuning() -> list[str]:
    """Options of the driver's JVM for the time and the memory that it takes.

    A collector or a compiler that the user's environment chooses stays: the JVM refuses two collectors.

    Half of the heap: by default most of it is for new objects, and Spark makes many. At the same speed.

    The quick compiler (C1) alone: a job of a minute or two ends before the optimising one (C2) has paid for itself,
    which takes a core meanwhile. The JVM only hands on what Python computes. Without C2 the JVM would also have less
    room for code, 48 MB, and interpret when that is full: it gets what it has by default.
    """
    chosen = " ".join(os.environ.get(name, "") for name in JAVA_VARIABLES)
    collector = [] if re.search(r"-XX:\+Use\w+GC", chosen) else ["-XX:+UseParallelGC", "-XX:MaxNewSize=256m"]
    compiler = [] if _COMPILER.search(chosen) else ["-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m"]
    return [*collector, *compiler]
