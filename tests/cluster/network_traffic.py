"""Runs train on hosts of a network of their own and counts the bytes that cross it, for benchmarks/network.py.

    PYTHONPATH=tests python tests/cluster/network_traffic.py FOLDER --data DIR --scale 0.1 --hosts 2

FOLDER/traffic.json gets phase -> [bytes sent, bytes received] by all hosts, FOLDER/run is the run directory.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hosts import Hosts, running_hosts, why_not
from launching import Started, history, phases

EPOCH = ""  # the key for a mean epoch, as in benchmarks/cost_model.py
Counts = tuple[int, int]  # bytes sent, bytes received


def counted(hosts: Hosts) -> Counts:
    """Bytes that all hosts have sent and received so far."""
    return sum(map(hosts.bytes_sent, hosts.names)), sum(map(hosts.bytes_received, hosts.names))


def watch(job: Started, hosts: Hosts) -> dict[str, Counts]:
    """Bytes sent and received in each phase of the job; under `EPOCH` the mean of the epochs after the first."""
    counts: dict[str, Counts] = {}
    begun: dict[str, Counts] = {}
    seen, epochs = 0, 0
    while job.launcher.poll() is None or seen < len(phases(job.path)):
        now = counted(hosts)
        for record in phases(job.path)[seen:]:
            seen += 1
            if record["event"] == "start":
                begun[record["name"]] = now
            else:
                counts[record["name"]] = _difference(now, begun[record["name"]])
        if len(history(job.path)) > epochs:
            epochs = len(history(job.path))
            if epochs == 1:
                begun[EPOCH] = now
            else:
                counts[EPOCH] = _difference(now, begun[EPOCH])
        try:
            job.launcher.wait(0.05)
        except Exception:
            continue
    counts[EPOCH] = tuple(value // max(1, epochs - 1) for value in counts.get(EPOCH, (0, 0)))  # type: ignore[assignment]
    return counts


def _difference(now: Counts, then: Counts) -> Counts:
    return now[0] - then[0], now[1] - then[1]


def run(options: argparse.Namespace) -> dict[str, Counts]:
    """One run of train; the counts by phase."""
    names = [f"host{number}" for number in range(options.hosts)]
    settings = ["data.dataset=synthetic", f"data.scale={options.scale}", f"data.data_dir={options.data}"]
    settings += ["training.epochs=4", f"training.workers={options.hosts}"]
    words = ["--config", "ml-25m", *(word for setting in settings for word in ("--set", setting))]
    (options.folder / "here").mkdir()
    with running_hosts(options.folder / "cluster", *names) as hosts:
        job = Started(
            "train", *words, "--master", hosts.cluster.url, cwd=options.folder / "here", run=options.folder / "run",
            options=("--", *hosts.driver_options),
        )  # fmt: skip
        try:
            counts = watch(job, hosts)
            screen = job.end()
        finally:
            job.kill()
        if job.launcher.returncode:
            sys.exit(screen)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--hosts", type=int, default=2)
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    (options.folder / "traffic.json").write_text(json.dumps(run(options)))


if __name__ == "__main__":
    main()
