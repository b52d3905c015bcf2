"""Bytes that cross a network in each phase, counted on its interfaces, beside what `cost_model.py` reckons.

    sudo .venv/bin/python benchmarks/network.py --data /data                 two hosts of one core, scale 0.1
    sudo .venv/bin/python benchmarks/network.py --data /data --hosts 4

Hosts are network namespaces on this machine, as in tests/cluster, for which Linux wants root. Sent: by the hosts, to
the driver and to each other; received: by the hosts. What Spark says besides (heartbeats, tasks, results) is in both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cost_model import network, shuffled_bytes, size_of
from scaling import describe

TESTS = Path(__file__).resolve().parent.parent / "tests"
COUNTING = TESTS / "cluster" / "network_traffic.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="where generated data lie, or are put")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--hosts", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="howdah-network-") as folder:
        words = ["--data", options.data, "--scale", str(options.scale), "--hosts", str(options.hosts)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, str(COUNTING), folder, *words]
        if code := subprocess.run(command, env=environment, check=False).returncode:
            return code
        counts = json.loads((Path(folder) / "traffic.json").read_text())
        described = describe(Path(folder) / "run")
    reckoned = network(size_of(described), options.hosts, shuffled_bytes([described]), 1.0)
    print(f"{'MB':<28}{'sent':>10}{'received':>10}{'reckoned, each once':>22}")
    for name, (sent, received) in counts.items():
        crossing = f"{reckoned[name].crossing / 1e6:.1f}" if name in reckoned else "-"
        print(f"{name:<28}{sent / 1e6:>10.1f}{received / 1e6:>10.1f}{crossing:>22}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
