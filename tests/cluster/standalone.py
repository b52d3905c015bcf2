"""A real standalone cluster of one master and two workers, whose processes know nothing of this project."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyspark
from launching import QUICK_JAVA, ROOT

from spark_jobs._java import find_java

SPARK = Path(pyspark.__file__).parent


@dataclass
class Cluster:
    """Its processes, each with a log and a directory of its own."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def temporary(self) -> Path:
        """What its machine has for /tmp."""
        return self.folder / "temporary"

    def start(self, name: str, *arguments: str, until: str) -> str:
        """Starts a daemon in an empty environment and waits for a line of its log."""
        place = self.folder / name
        place.mkdir(parents=True)
        environment = {
            "JAVA_HOME": str(find_java(ROOT / ".venv" / "java")), "PATH": "/usr/bin:/bin", "SPARK_HOME": str(SPARK),
            "SPARK_LOCAL_DIRS": str(place / "local"), "SPARK_DAEMON_JAVA_OPTS": f"-XX:-UsePerfData {QUICK_JAVA}",
            "TMPDIR": str(self.temporary),
        }  # fmt: skip
        log = place / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(SPARK / "bin" / "spark-class"), *arguments, "--host", "127.0.0.1", "--webui-port", "0"],
                cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self.processes.append(process)
        end = time.monotonic() + 120
        while not (found := re.search(until, log.read_text())):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        return found[1]


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A master and two workers of one core each."""
    made = Cluster(folder)
    made.temporary.mkdir(parents=True)
    package = "org.apache.spark.deploy"
    try:
        made.url = made.start("master", f"{package}.master.Master", "--port", "0", until=r"master at (spark://\S+)")
        for name in ("worker-1", "worker-2"):
            made.start(
                name, f"{package}.worker.Worker", "--cores", "1", "--memory", "2g", "--work-dir",
                str(folder / name / "work"), made.url, until=r"Successfully (registered) with master",
            )  # fmt: skip
        yield made
    finally:
        below = [child for one in made.processes for child in psutil.Process(one.pid).children(recursive=True)]
        for process in made.processes:
            process.terminate()
            process.wait(30)
        for child in psutil.wait_procs(below, timeout=10)[1]:
            child.kill()
