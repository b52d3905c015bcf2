"""Behind spark-submit.sh: checks everything that can be checked, starts spark-submit and looks after it."""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from recsys.errors import UserError
from spark_jobs import _arguments as arguments_module
from spark_jobs import _rundir
from spark_jobs._arguments import DEFAULT_EXPERIMENT, DEFAULT_JOB, PROGRAM, Arguments, fail, jobs, parse_arguments
from spark_jobs._java import find_java, install_java

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("recsys", "monitor", "spark_jobs")
_STOP_SECONDS = 20  # what a job gets to write down that it was stopped


def main(argv: Sequence[str]) -> int:
    """Runs one job by spark-submit and returns its exit code; 2 for anything that the user must mend."""
    try:
        if argv and argv[0] in ("-h", "--help", "help"):
            print(_help())
            return 0
        if argv and argv[0] == "--install-java":
            print(install_java(ROOT / ".venv" / "java"))
            return 0
        job, rest = _job(list(argv))
        arguments = parse_arguments(job, rest)
        environment = _environment(_java())
        run = _run_directory(arguments)
        return _run(_command(arguments, run), environment, arguments, run)
    except UserError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 130


def _help() -> str:
    lines = [
        f"usage: {PROGRAM} [JOB] [options] [-- spark-submit options]",
        "",
        f"Without arguments: {DEFAULT_JOB} with conf/experiments/{DEFAULT_EXPERIMENT}.toml. Jobs:",
        *(f"  {name:<12}{text}" for name, text in jobs().items()),
        "",
        "Experiments (--config NAME):",
        "  " + ", ".join(sorted(path.stem for path in arguments_module.EXPERIMENTS.glob("*.toml"))),
        "",
        f"{PROGRAM} JOB --help lists a job's options and every setting.",
        f"{PROGRAM} --install-java fetches Java 17 into .venv/java.",
    ]
    return "\n".join(lines)


def _job(argv: list[str]) -> tuple[str, list[str]]:
    known = jobs()
    if not argv or argv[0].startswith("-"):
        return DEFAULT_JOB, argv
    if argv[0] not in known:
        near = difflib.get_close_matches(argv[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"unknown job {argv[0]!r}: {hint}")
    return argv[0], argv[1:]


def _java() -> Path:
    folder = ROOT / ".venv" / "java"
    try:
        return find_java(folder)
    except UserError:
        if not sys.stdin.isatty():
            raise
        print(
            f"howdah: Java 17 or 21 is needed and none was found; fetch one into {folder}? [y/N] ", end="", flush=True
        )
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise
        return install_java(folder)


def _environment(java: Path) -> dict[str, str]:
    python = str(ROOT / ".venv" / "bin" / "python")
    environment = {**os.environ, "JAVA_HOME": str(java), "SPARK_HOME": _spark_home()}
    environment.pop("PYTHONPATH", None)  # the job and its workers have what --py-files ships, as on any cluster
    environment.setdefault("PYSPARK_PYTHON", python)
    environment.setdefault("PYSPARK_DRIVER_PYTHON", python)
    environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return environment


def _spark_home() -> str:
    import importlib.util

    spec = importlib.util.find_spec("pyspark")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent)


def _run_directory(arguments: Arguments) -> Path | None:
    given = arguments_module.run_directory_given(arguments)
    if arguments.job == "recommend" and given is None:
        return None
    if given is None:
        base = Path.cwd() / "runs" / f"{arguments.config.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        given = base
        number = 1
        while given.exists():
            number += 1
            given = base.with_name(f"{base.name}-{number}")
    _rundir.create(given)
    return given


def _command(arguments: Arguments, run: Path | None) -> list[str]:
    options = arguments.options
    properties = Path(options.spark_conf).resolve() if options.spark_conf else _properties(arguments.master)
    if not properties.is_file():
        raise UserError(f"--spark-conf {options.spark_conf}: no such file")
    scratch = run / "tmp" if run else ROOT / ".venv" / "cache" / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(_spark_home()) / "bin" / "spark-submit"),
        "--master", arguments.master,
        "--name", f"howdah-{arguments.job}-{arguments.config.name}",
        "--properties-file", str(properties),
        "--py-files", str(_pack()),
        "--conf", f"spark.local.dir={scratch}",
        "--conf", f"spark.sql.warehouse.dir={scratch}/warehouse",
        "--driver-java-options", f"-Djava.io.tmpdir={scratch} -XX:-UsePerfData",
    ]  # fmt: skip
    for key, value in arguments.config.spark.items():
        command += ["--conf", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    command += [*arguments.spark_options, str(ROOT / "spark_jobs" / f"{arguments.job}.py")]
    if arguments.job == "recommend":
        given = {"--model": options.model, "--user": options.user, "--ratings": options.ratings, "--top": options.top}
    else:
        given = {"--profile": options.profile, "--resolved": arguments_module.resolved(arguments)}
    given |= {"--prepared": getattr(options, "prepared", None), "--output": run}
    for name, value in given.items():
        if value is not None:
            path = name in ("--model", "--prepared") and Path(str(value)).exists()
            command.append(f"{name}={Path(str(value)).resolve() if path else value}")
    return command


def _properties(master: str) -> Path:
    """The file of conf/spark that fits the master."""
    place = next((place for start, place in {"spark://": "standalone", "yarn": "yarn", "k8s": "kubernetes"}.items()
                  if master.startswith(start)), "local")  # fmt: skip
    path = ROOT / "conf" / "spark" / f"{place}.conf"
    return path if path.is_file() else ROOT / "conf" / "spark" / "local.conf"


def _pack() -> Path:
    """The packages as one archive for --py-files, named by its content, so that two versions never meet."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    folder = ROOT / ".venv" / "cache" / "packages"
    archive = folder / f"howdah-{digest.hexdigest()[:16]}.zip"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{os.getpid()}.zip"
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in files:
                packed.write(path, path.relative_to(ROOT))
        temporary.replace(archive)
    return archive


def _run(command: list[str], environment: dict[str, str], arguments: Arguments, run: Path | None) -> int:
    """Starts spark-submit, waits, passes signals on in an order that lets the job end well, leaves no orphan."""
    log = (run or ROOT / ".venv" / "cache") / "spark.log"
    _adopt_orphans()
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with log.open("wb") as errors:
        # a process group of its own: Ctrl-C reaches this process alone, which then stops the job before the JVM
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=errors, preexec_fn=_prepare)
    code = None
    while code is None:
        try:
            code = child.wait(0.2)
        except subprocess.TimeoutExpired:
            if stopped:
                print("howdah: stopping ... (once more: at once)", file=sys.stderr, flush=True)
                code = _stop(child, f"{arguments.job}.py", stopped)
    _kill(psutil.Process().children(recursive=True))
    if stopped:
        code = 128 + stopped[0]
    elif code < 0:
        code = 128 - code
    if run is not None:
        shutil.rmtree(run / "tmp", ignore_errors=True)
        with contextlib.suppress(OSError):  # Spark 4.0 makes it where it is called from, and leaves it empty
            (Path.cwd() / "artifacts").rmdir()
        _rundir.finish_if_killed(run, code, stopped[0] if stopped else None)
    if code not in (0, 2) and not stopped:
        print(f"howdah: the job failed (exit code {code}); Spark's own log: {log}", file=sys.stderr)
    return code


def _stop(child: subprocess.Popen[bytes], script: str, stopped: list[int]) -> int:
    """First the driver's Python, which writes down that it was stopped, then the JVM, then whatever is left."""
    family = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    for process in family:
        try:
            if process.name().startswith("python") and any(part.endswith(script) for part in process.cmdline()):
                process.send_signal(signal.SIGINT)
        except psutil.Error:
            continue
    end = time.monotonic() + _STOP_SECONDS
    while child.poll() is None and time.monotonic() < end and len(stopped) < 2:
        time.sleep(0.1)
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
    _kill(family)
    return child.wait()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=5)


def _adopt_orphans() -> None:
    """Makes this process the parent of orphans below it (Linux), so that they can be found and ended."""
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def _prepare() -> None:
    os.setpgid(0, 0)
    _prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: the JVM does not outlive this process


def _prctl(option: int, value: Any) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)
