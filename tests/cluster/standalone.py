"""A real standalone cluster of one master and two workers, whose processes know nothing of this project."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from launching import SECRET_FILE, Started
from quick_java import ROOT, SPARK, java_home, with_archive

AUTHENTICATION = (
    f"-Dspark.authenticate=true -Dspark.authenticate.secret={SECRET_FILE.read_text().strip()} "
    "-Dspark.network.crypto.enabled=true"
)


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

    def start(
        self, name: str, *arguments: str, until: str, address: str = "127.0.0.1", inside: Sequence[str] = ()
    ) -> str:
        """Starts a daemon in an empty environment and waits for a line of its log; `inside` is a command that leads to
        where it runs. There it takes the kernels that jobs have compiled: every host would compile its own."""
        place = self.folder / name
        place.mkdir(parents=True)
        temporary = place / "temporary" if inside else self.temporary
        temporary.mkdir(parents=True, exist_ok=True)
        kernels = {"NUMBA_CACHE_DIR": str(ROOT / ".venv" / "cache" / "numba")} if inside else {}
        environment = {
            "JAVA_HOME": str(java_home()), "PATH": "/usr/bin:/bin", "SPARK_HOME": str(SPARK),
            "SPARK_LOCAL_DIRS": str(place / "local"),
            "SPARK_DAEMON_JAVA_OPTS": f"-XX:-UsePerfData {with_archive()} {AUTHENTICATION}",
            "TMPDIR": str(temporary), "SPARK_LOCAL_IP": address,
            **kernels,
            # what is set for this machine's processor: other kernels give other last digits
            **{key: value for key, value in os.environ.items() if key.startswith("OPENBLAS_")},
        }  # fmt: skip
        log = place / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*inside, str(SPARK / "bin" / "spark-class"), *arguments, "--host", address, "--webui-port", "0"],
                cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self.processes.append(process)
        end = time.monotonic() + 120
        while not (found := re.search(until, log.read_text())):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        return found[1]

    def stop(self) -> None:
        """Ends the daemons and whatever they have started."""
        below = [child for one in self.processes for child in psutil.Process(one.pid).children(recursive=True)]
        for process in self.processes:
            process.terminate()
            process.wait(30)
        for child in psutil.wait_procs(below, timeout=10)[1]:
            child.kill()


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
        made.stop()


@dataclass(frozen=True)
class PythonDaemon:
    """A process that forks Spark's Python workers, or one of those, as it was seen."""

    cwd: Path
    python: str
    python_path: str
    preload: str  # what it was to import beforehand
    has_tensorflow: bool

    @classmethod
    def of(cls, process: psutil.Process) -> PythonDaemon:
        """What it is now."""
        environment = process.environ()
        mapped = any("tensorflow" in one.path for one in process.memory_maps())
        preload = environment.get("HOWDAH_PRELOAD", "")
        return cls(Path(process.cwd()), process.cmdline()[0], environment.get("PYTHONPATH") or "", preload, mapped)


@dataclass(frozen=True)
class OnCluster:
    """A finished run of train on a cluster, and what was seen of it while it ran."""

    path: Path
    cwd: Path
    cluster: Cluster
    python: Path  # of its workers
    daemons: list[list[PythonDaemon]]  # by worker
    sidecars: int
    folders_of_sidecars: int


def train_on(cluster: Cluster, settings: Path, place: Path, python: Path) -> OnCluster:
    """Trains on a cluster, whose workers run `python`, and looks at its processes once an epoch is over."""
    cwd = place / "here"
    cwd.mkdir()
    options = ["--", *quick_executors(), "--conf", f"spark.pyspark.python={python}"]
    job = Started(
        "train", "--config", settings, "--master", cluster.url, cwd=cwd, run=place / "run", options=options
    )  # fmt: skip
    try:
        job.wait_for_epoch()
        executors = [psutil.Process(one.pid).children(recursive=True) for one in cluster.processes[1:]]
        daemons = [[PythonDaemon.of(one) for one in processes if _is_python_daemon(one)] for processes in executors]
        seen = len(sidecars_of(cluster)), len(list(cluster.temporary.glob("monitor-app-*")))
        said = job.end()
    finally:
        job.kill()
    assert job.launcher.returncode == 0, said
    return OnCluster(job.path, cwd, cluster, python, daemons, *seen)


def quick_executors() -> tuple[str, str]:
    """Options of spark-submit for executors that start quickly."""
    return ("--conf", f"spark.executor.extraJavaOptions={with_archive()}")


def sidecars_of(cluster: Cluster) -> list[psutil.Process]:
    """The monitor's processes beside executors."""
    found = psutil.process_iter(["cmdline"])
    return [
        one
        for one in found
        if any(str(cluster.temporary) in word for word in one.info["cmdline"] or [])
        and one.info["cmdline"][1:4] == ["-m", "monitor", "sidecar"]
    ]


def _is_python_daemon(process: psutil.Process) -> bool:
    return process.status() != psutil.STATUS_ZOMBIE and "howdah_daemon" in process.cmdline()
