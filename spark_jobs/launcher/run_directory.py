"""The run directory of a job, which the launcher makes and locks, the folder for temporary files, the job's options."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from spark_jobs.launcher.arguments import Arguments, resolved, run_directory_given
from spark_jobs.launcher.installation import state_folder
from spark_jobs.launcher.lock import alone
from spark_jobs.launcher.tune_options import given_words
from spark_jobs.run import directory
from spark_jobs.run.resume import SCHEME


@contextlib.contextmanager
def run_directory(arguments: Arguments) -> Iterator[Path | None]:
    """The run directory, locked against other processes; None for a job that leaves none."""
    if not arguments.leaves_directory:
        yield None
        return
    path = run_directory_given(arguments) or _new_directory(arguments.config.name)
    resumes = getattr(arguments.options, "resume", None)
    if not resumes:
        directory.create(path)
    with alone(path):
        if resumes:
            directory.reopen(path)
        yield path


def _new_directory(name: str) -> Path:
    """runs/NAME-TIME in the current directory, numbered where it exists."""
    base = Path.cwd() / "runs" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 1
    while path.exists():
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


@contextlib.contextmanager
def scratch_folder(run: Path | None) -> Iterator[Path]:
    """A folder for what the job needs only while it runs; removed at the end."""
    folder = run or state_folder() / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    if run is None:
        scratch = Path(tempfile.mkdtemp(prefix="tmp-", dir=folder))
    else:
        scratch = run / "tmp"
        scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def job_options(arguments: Arguments, run: Path | None) -> list[str]:
    """The job's own command line: its settings as resolved here, and paths that hold wherever it runs."""
    options = arguments.options
    if arguments.job == "recommend":
        values = {"--model": options.model, "--user": options.user, "--ratings": options.ratings, "--top": options.top}
        values |= {"--output": options.output, "--workers": options.workers}
    else:
        values = {"--profile": options.profile, "--format": getattr(options, "format", None)}
        values |= {"--resolved": resolved(arguments), "--model": getattr(options, "model", None)}
    if arguments.job == "tune":
        values |= given_words(options)
    values |= {"--prepared": getattr(options, "prepared", None), "--master": options.master}
    values |= {"--output": run} if run else {}
    words = ["--all"] if getattr(options, "all", False) else []
    for name, value in values.items():
        if value is not None:
            path = name == "--output" and not SCHEME.match(str(value))
            path |= name in ("--model", "--prepared") and Path(str(value)).exists()
            words.append(f"{name}={Path(str(value)).resolve() if path else value}")
    return words
