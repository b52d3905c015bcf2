"""A cluster of several hosts on one machine: each worker in a network namespace with an address and a name of its own,
joined by a bridge, so that data really cross a network, which can be cut."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from standalone import Cluster


@dataclass
class Hosts:
    """A master on this machine and workers of one core each on hosts of their own."""

    cluster: Cluster
    prefix: str  # of everything made in the kernel: unique, and short, as names of interfaces must be
    net: str  # the first three numbers of all addresses
    names: list[str] = field(default_factory=list)

    @property
    def driver_options(self) -> tuple[str, ...]:
        """What a job needs so that executors reach its driver."""
        return ("--conf", f"spark.driver.host={self.net}.1", "--conf", f"spark.driver.bindAddress={self.net}.1")

    def add(self, name: str, own: Path | None = None) -> None:
        """A host, and a worker on it; where `own` is a folder, the host has another disk in its place, and in
        `locked` there one that cannot be written."""
        self.names.append(name)
        number, address = len(self.names), self.address(name)
        place, here, there = f"{self.prefix}{number}", f"{self.prefix}h{number}", f"{self.prefix}t{number}"
        ip("netns", "add", place)
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", place)
        ip("link", "set", here, "master", f"{self.prefix}b", "up")
        for words in (("addr", "add", f"{address}/24", "dev", there), ("link", "set", there, "up"),
                      ("link", "set", "lo", "up")):  # fmt: skip
            ip("-n", place, *words)
        disk = f"mount -t tmpfs -o size=200m tmpfs '{own}' && mkdir '{own}/locked' && " if own else ""
        disk += f"mount -t tmpfs -o ro tmpfs '{own}/locked' && " if own else ""
        named = ("unshare", "--uts", "--mount", "sh", "-c", f'hostname {name} && {disk}exec "$@"', "sh")
        self.cluster.start(
            name, "org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "2g", "--work-dir",
            str(self.cluster.folder / name / "work"), self.cluster.url,
            until=r"Successfully (registered) with master", address=address,
            inside=("ip", "netns", "exec", place, *named),
        )  # fmt: skip

    def address(self, name: str) -> str:
        """Of a host."""
        return f"{self.net}.{self.names.index(name) + 2}"

    def connect(self, name: str, state: str) -> None:
        """Cuts a host off ("down") or joins it again ("up")."""
        ip("link", "set", f"{self.prefix}h{self.names.index(name) + 1}", state)

    def bytes_sent(self, name: str) -> int:
        """What has come from a host over the network so far."""
        return self._counter(name, "rx_bytes")

    def bytes_received(self, name: str) -> int:
        """What has gone to a host over the network so far."""
        return self._counter(name, "tx_bytes")

    def _counter(self, name: str, which: str) -> int:
        """Of this machine's end of the cable."""
        interface = f"{self.prefix}h{self.names.index(name) + 1}"
        return int(Path(f"/sys/class/net/{interface}/statistics/{which}").read_text())

    def processes(self, name: str) -> list[psutil.Process]:
        """What a host's worker has started."""
        worker = self.cluster.processes[self.names.index(name) + 1]  # the first is the master
        return psutil.Process(worker.pid).children(recursive=True)


_clusters = itertools.count()


def why_not() -> str:
    """Why there can be no such hosts here; empty where there can."""
    try:
        probe = f"hd{os.getpid() % 10_000}p"
        ip("netns", "add", probe)
        try:
            ip("link", "add", f"{probe}a", "type", "veth", "peer", "name", f"{probe}b")
            ip("link", "del", f"{probe}a")
            subprocess.run(["unshare", "--uts", "--mount", "true"], check=True, capture_output=True)
        finally:
            ip("netns", "del", probe)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        return f"network namespaces cannot be made here: {said.decode(errors='replace').strip()}"
    return ""


def ip(*words: str) -> None:
    """Runs ip (iproute2)."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def running_hosts(folder: Path, *names: str, own: Path | None = None) -> Iterator[Hosts]:
    """A cluster with a worker on each of those hosts; `own` is where each of them has a disk of its own."""
    number = os.getpid() % 10_000
    prefix = f"hd{number}{chr(ord('a') + next(_clusters) % 26)}"  # no name again so soon in this process
    made = Hosts(Cluster(folder), prefix, f"10.{200 + number % 50}.{number % 250}")
    made.cluster.temporary.mkdir(parents=True)
    bridge = f"{made.prefix}b"
    try:
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{made.net}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        made.cluster.url = made.cluster.start(
            "master", "org.apache.spark.deploy.master.Master", "--port", "0",
            until=r"master at (spark://\S+)", address=f"{made.net}.1",
        )  # fmt: skip
        for name in names:
            made.add(name, own)
        yield made
    finally:
        made.cluster.stop()
        for place in range(1, len(made.names) + 1):
            # by itself: with its namespace it would go when the last process there has ended, and the kernel has time
            subprocess.run(["ip", "link", "del", f"{made.prefix}h{place}"], check=False, capture_output=True)
            subprocess.run(["ip", "netns", "del", f"{made.prefix}{place}"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)
