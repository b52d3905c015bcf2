"""The supervisor lets a run's monitor write down the end before it ends what is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor import read_samples
from monitor.sources import open_source


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_killed_job_leaves_whole_samples_and_no_process(tmp_path: Path) -> None:
    job = tmp_path / "job.py"
    job.write_text(
        "import os, signal, subprocess, sys, monitor\n"
        "monitor.start_sidecar(sys.argv[1], interval=0.1)\n"
        "left = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "open(sys.argv[1] + '/left', 'w').write(str(left.pid))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    code = (
        "import os, sys\n"
        "from spark_jobs.launcher.supervise import run_to_end\n"
        "command = [sys.executable, sys.argv[1], sys.argv[2]]\n"
        "print(run_to_end(command, dict(os.environ), 'job.py', None))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(job), str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert told.stdout == "(137, None)\n"
    found = read_samples(tmp_path)
    assert found.begin is not None and found.end is not None
    assert found.end.why == "root ended"
    processes = open_source()
    assert processes.stat(found.begin.pid) is None
    assert processes.stat(int((tmp_path / "left").read_text())) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_job_is_ended_by_its_memory_with_all_below_it_and_runs_on_its_cores(tmp_path: Path) -> None:
    job = tmp_path / "job.py"
    # the memory is that of a child: the limit is of all processes together
    job.write_text(
        "import os, subprocess, sys, time\n"
        "child = 'import os, time; held = b\"1\" * 300_000_000; time.sleep(60)'\n"
        "below = subprocess.Popen([sys.executable, '-c', child])\n"
        "print(below.pid, len(os.sched_getaffinity(0)), flush=True)\n"
        "time.sleep(60)\n"
    )
    code = (
        "import os, sys\n"
        "from spark_jobs.launcher.supervise import Limits, run_to_end\n"
        "limits = Limits(cores=1, memory_bytes=200_000_000)\n"
        "code, _ = run_to_end([sys.executable, sys.argv[1]], dict(os.environ), 'job.py', None, limits=limits)\n"
        "print(code, 200e6 < limits.taken_bytes < 500e6)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(job)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    below, cores, ended, over = told.stdout.split()
    assert (cores, ended, over) == ("1", "137", "True")
    assert open_source().stat(int(below)) is None
