"""Bytes that cross a network in each phase, counted on its interfaces, beside what `cost_model.py` reckons.

    sudo .venv/bin/python benchmarks/network.py --data /data                 two hosts of one core, scale 0.1
    sudo .venv/bin/python benchmarks/network.py --data /data --hosts 4

Hosts are network namespaces on this machine, as in tests/cluster, for which Linux wants root. Sent: by the hosts, to
the driver and to each other; received: by the hosts. What Spark says besides (heartbeats, tasks, results) is in both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from cost_model import EPOCH, network, shuffled_bytes, size_of
from scaling import describe

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT)]

from hosts import Hosts, running_hosts, why_not  # noqa: E402
from launching import Started, history, phases  # noqa: E402

Counts = tuple[int, int]  # bytes sent, bytes received


def counted(hosts: Hosts) -> Counts:
    """By all hosts so far."""
    return sum(map(hosts.bytes_sent, hosts.names)), sum(map(hosts.bytes_received, hosts.names))


def watch(job: Started, hosts: Hosts) -> dict[str, Counts]:
    """What each phase of the job sent and received; the epochs but for the first together, as `EPOCH`."""
    found: dict[str, Counts] = {}
    begun: dict[str, Counts] = {}
    seen, epochs = 0, 0
    while job.launcher.poll() is None or seen < len(phases(job.path)):
        now = counted(hosts)
        for record in phases(job.path)[seen:]:
            seen += 1
            if record["event"] == "start":
                begun[record["name"]] = now
            else:
                found[record["name"]] = _difference(now, begun[record["name"]])
        if len(history(job.path)) > epochs:
            epochs = len(history(job.path))
            if epochs == 1:
                begun[EPOCH] = now
            else:
                found[EPOCH] = _difference(now, begun[EPOCH])
        try:
            job.launcher.wait(0.05)
        except Exception:
            continue
    found[EPOCH] = tuple(value // max(1, epochs - 1) for value in found.get(EPOCH, (0, 0)))  # type: ignore[assignment]
    return found


def _difference(now: Counts, then: Counts) -> Counts:
    return now[0] - then[0], now[1] - then[1]


def run(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Counts], dict[str, Any]]:
    """What was counted, and what the run was like."""
    names = [f"host{number}" for number in range(options.hosts)]
    settings = ["data.dataset=synthetic", f"data.scale={options.scale}", f"data.data_dir={options.data}"]
    settings += ["training.epochs=4", f"training.workers={options.hosts}"]
    words = ["--config", "ml-25m", *(word for one in settings for word in ("--set", one))]
    (folder / "here").mkdir()
    with running_hosts(folder / "cluster", *names) as hosts:
        job = Started(
            "train", *words, "--master", hosts.cluster.url, cwd=folder / "here", run=folder / "run",
            options=("--", *hosts.driver_options),
        )  # fmt: skip
        try:
            found = watch(job, hosts)
            said = job.end()
        finally:
            job.kill()
        if job.launcher.returncode:
            sys.exit(said)
    return found, describe(folder / "run")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="where generated data lie, or are put")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--hosts", type=int, default=2)
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="howdah-network-") as folder:
        found, described = run(options, Path(folder))
    reckoned = network(size_of(described), options.hosts, shuffled_bytes([described]), 1.0)
    print(f"{'MB':<28}{'sent':>10}{'received':>10}{'reckoned, each once':>22}")
    for name, (sent, received) in found.items():
        crossing = f"{reckoned[name].crossing / 1e6:.1f}" if name in reckoned else "-"
        print(f"{name:<28}{sent / 1e6:>10.1f}{received / 1e6:>10.1f}{crossing:>22}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
