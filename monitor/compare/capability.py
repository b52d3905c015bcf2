"""What this machine can give: how much faster several processes are than one, for arithmetic and for memory.

Method: float32 matrix products (1,024 x 1,024 by itself) and copies of an array that no cache holds, each for a quarter
of a second, by one process and by W processes at once. Every process has one BLAS thread, as a Spark worker has:
processes, not threads of one process, because a BLAS with several threads scales differently from several processes
with one each. All processes are warm before any starts to count, and each divides by its own clock; the rates are
summed. The best of two turns counts, since a busy machine can only make the rate of a turn smaller. W processes on
fewer than W cores give what the cores give: the speed-up that any program can hope for there.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

CAPABILITY = "capability.json"
_SECONDS, _TURNS = 0.25, 2
_SIDE = 1024
_SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Rates:
    """What `processes` processes reached together: 1e9 floating point operations, and 1e9 bytes copied, a second."""

    processes: int
    gigaflops: float
    copied_gigabytes_per_second: float


@dataclass(frozen=True)
class Capability:
    """One machine's rates, the first of one process; `load` is how many processes wanted a core before it."""

    host: str
    cores: int
    rates: tuple[Rates, ...]
    load: float | None = None

    def speedup(self, workers: int) -> float | None:
        """How many times faster than one process `workers` of them multiply matrices; None if not measured."""
        single, many = self._of(1), self._of(workers)
        return many.gigaflops / single.gigaflops if single and many and single.gigaflops else None

    def copy_speedup(self, workers: int) -> float | None:
        """How many times faster than one process `workers` of them copy memory; None if not measured."""
        single, many = self._of(1), self._of(workers)
        if not single or not many or not single.copied_gigabytes_per_second:
            return None
        return many.copied_gigabytes_per_second / single.copied_gigabytes_per_second

    def _of(self, processes: int) -> Rates | None:
        return next((rate for rate in self.rates if rate.processes == processes), None)


def measure_capability(workers: Iterable[int]) -> Capability:
    """Measures one process and every count of `workers`: a second a count, and the processes' start."""
    counts = sorted({1, *workers})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    children = _start(counts[-1], megabytes=max(16, min(64, 512 // counts[-1])))
    try:
        for child in children:
            _line(child)  # warm
        rates = tuple(_rates(children[:count]) for count in counts)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    return Capability(platform.node(), cores, rates, load)


def write_capability(capability: Capability, folder: str | Path) -> Path:
    """Writes capability.json, whole or not at all."""
    path = Path(folder) / CAPABILITY
    temporary = path.with_name(f".{CAPABILITY}")
    method = " ".join(str(__doc__).partition("Method: ")[2].split())
    temporary.write_text(json.dumps({**asdict(capability), "method": method}, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def read_capability(folder: str | Path) -> Capability | None:
    """What capability.json in `folder` says; None without a readable one."""
    try:
        entry = json.loads((Path(folder) / CAPABILITY).read_text(encoding="utf-8"))
        rates = (
            Rates(int(rate["processes"]), float(rate["gigaflops"]), float(rate["copied_gigabytes_per_second"]))
            for rate in entry["rates"]
        )
        return Capability(str(entry["host"]), int(entry["cores"]), tuple(rates), entry.get("load"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _start(processes: int, megabytes: int) -> list[subprocess.Popen[str]]:
    environment = {**os.environ, **dict.fromkeys(_SINGLE, "1")}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", f"from monitor.compare.capability import serve; serve({megabytes})"]
    return [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]


def _rates(children: list[subprocess.Popen[str]]) -> Rates:
    products, copies = (max(_turn(children, kind) for _ in range(_TURNS)) for kind in ("product", "copy"))
    return Rates(len(children), round(products / 1e9, 3), round(copies / 1e9, 3))


def _turn(children: list[subprocess.Popen[str]], kind: str) -> float:
    for child in children:
        assert child.stdin is not None
        child.stdin.write(f"{kind}\n")
        child.stdin.flush()
    return sum(float(_line(child)) for child in children)


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError(f"a measuring process ended with {child.wait()}: its message stands above")
    return line


def serve(megabytes: int) -> None:
    """One process: says that it is warm, then answers each line of its input with a rate."""
    import numpy as np

    matrix = np.full((_SIDE, _SIDE), 0.5, np.float32)
    product = np.empty_like(matrix)
    source = np.ones(megabytes * 2**20, np.uint8)
    target = np.zeros_like(source)
    work: dict[str, tuple[Callable[[], object], float]] = {
        "product": (lambda: np.matmul(matrix, matrix, out=product), 2.0 * _SIDE**3),
        "copy": (lambda: np.copyto(target, source), float(source.nbytes)),
    }
    for run, _ in work.values():
        run()
    print("warm", flush=True)
    for line in sys.stdin:
        run, amount = work[line.strip()]
        times, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < _SECONDS:
            run()
            times += 1
        print(times * amount / seconds, flush=True)
