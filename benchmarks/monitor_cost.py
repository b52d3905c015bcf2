"""What the monitor itself costs: 30 processes that do a little, sampled for some seconds.

    .venv/bin/python benchmarks/monitor_cost.py [--processes 30] [--seconds 60] [--interval 0.5] [--megabytes 40]

Prints the sidecar's share of one core and its milliseconds of CPU a sample, as it measured itself and as the kernel
counted it. Half of the processes are forks that share memory and write into it, half were started anew.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from monitor import read_samples, start_sidecar

_TREE = """
import os, sys, time
count, megabytes = int(sys.argv[1]), int(sys.argv[2])
held = bytearray(os.urandom(1 << 20) * megabytes)
for number in range(count // 2 - 1):
    if os.fork() == 0:
        while True:
            for place in range(0, len(held), 1 << 20):
                held[place] ^= 1
            sum(range(20_000))
            time.sleep(0.05)
code = "import time\\nheld = bytearray(b'x' * (%d << 20))\\nwhile True: sum(range(20_000)); time.sleep(0.05)"
code %= megabytes
for number in range(count - count // 2):
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
print("ready", flush=True)
time.sleep(3600)
"""


def main() -> None:
    """Runs the tree and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=0.5)
    parser.add_argument("--megabytes", type=int, default=40, help="what each process holds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monitor-cost-") as folder:
        command = [sys.executable, "-c", _TREE, str(options.processes), str(options.megabytes)]
        tree = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        try:
            assert tree.stdout is not None
            tree.stdout.readline()
            time.sleep(1)
            before = os.times()
            sidecar = start_sidecar(folder, tree.pid, options.interval)
            time.sleep(options.seconds)
            sidecar.stop()
            used = os.times().children_user + os.times().children_system
            used -= before.children_user + before.children_system
        finally:
            os.killpg(tree.pid, 9)
            tree.wait()
        found = read_samples(folder)
    steady = found.samples[2:]
    lasted = sum(one.seconds for one in steady)
    seconds = sum(one.roles["sidecar"].cpu_seconds for one in steady if "sidecar" in one.roles)
    processes = max(one.tree().processes for one in steady)
    result = {
        "processes": processes,
        "interval_seconds": options.interval,
        "samples": len(found.samples),
        "missed": sum(one.missed for one in found.samples),
        "percent_of_a_core": round(100 * seconds / lasted, 2),
        "ms_a_sample": round(1000 * seconds / len(steady), 2),
        "seconds_with_start_and_end": round(used, 3),
        "processes_of_the_machine": sum(name.isdigit() for name in os.listdir("/proc")),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
