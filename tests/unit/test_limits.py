"""What a run may use of this machine: what is refused, Spark's heap, and the memory of a tree of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.headroom import TreeMemory
from recsys.config import Config
from recsys.config.load import build_config
from recsys.errors import UserError
from spark_jobs.launcher.arguments import parse_arguments
from spark_jobs.launcher.limits import fitting_heap, limits_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits are held on Linux")


def config(**machine: float) -> Config:
    return build_config({"machine": machine})


@linux
def test_limits_are_those_of_the_settings() -> None:
    limits = limits_of(config(cores=2, memory_gb=1.5), "local[2]", cores=2)
    assert (limits.cores, limits.memory_bytes) == (2, 1_500_000_000)
    assert limits_of(config(), "yarn", cores=1).memory_bytes is None


@linux
@pytest.mark.parametrize(
    ("machine", "master", "message"),
    [
        ({"memory_gb": 1.0}, "yarn", r"machine.memory_gb: only for local masters; on yarn set spark.executor.cores"),
        ({"cores": 3}, "local[2]", r"machine.cores = 3: this machine has 2: set at most that"),
    ],
)
def test_limits_that_cannot_be_held_are_refused(machine: dict[str, float], master: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        limits_of(config(**machine), master, cores=2)


def test_a_local_master_has_no_more_cores_than_the_limit() -> None:
    arguments = parse_arguments("train", ["--set", "machine.cores=1", "--set", "training.workers=2"])
    assert arguments.master == "local[1]"


@pytest.mark.parametrize(
    ("gigabytes", "heap"), [(0.5, "640m"), (1.5, "715m"), (3.0, "1430m"), (30.0, "2048m"), (None, None)]
)
def test_the_heap_is_half_of_the_limit_within_what_spark_can_use(
    gigabytes: float | None, heap: str | None, tmp_path: Path
) -> None:
    properties = tmp_path / "local.conf"
    properties.write_text("spark.driver.memory    2g\n")
    settings = config() if gigabytes is None else config(memory_gb=gigabytes)
    assert fitting_heap(settings, properties, ()) == heap


def test_a_heap_of_the_users_own_stays(tmp_path: Path) -> None:
    properties = tmp_path / "own.conf"
    properties.write_text("spark.driver.memory=3g\n")
    limited = config(memory_gb=1.0)
    assert fitting_heap(limited, properties, ()) is None
    properties.write_text("")
    assert fitting_heap(limited, properties, ("--driver-memory", "1g")) is None
    own = build_config({"machine": {"memory_gb": 1.0}, "spark": {"driver": {"memory": "1g"}}})
    assert fitting_heap(own, properties, ()) is None


@linux
def test_the_memory_of_a_tree_is_that_of_all_its_processes() -> None:
    code = (
        "import subprocess, sys\n"
        "held = b'1' * 60_000_000\n"
        "below = 'held = b\"1\" * 90_000_000; print(1, flush=True); input()'\n"
        "subprocess.run([sys.executable, '-c', below])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        memory = TreeMemory(process.pid)
        taken = memory.look()
        assert 150e6 < taken < 250e6
        assert memory.above(int(1e9)) is None
        over = memory.above(int(100e6))
        assert over is not None and 150e6 < over < 250e6
        process.communicate(b"\n")
    assert memory.look() == 0
