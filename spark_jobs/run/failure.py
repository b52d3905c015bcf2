"""Why a job failed, in one line, and the exit code that goes with it."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from recsys.errors import UserError
from spark_jobs.launcher.arguments import Arguments

FULL = "is full: free some space"
_AGAIN = {
    "train": "continue with train --resume",
    "tune": "continue with tune --resume",
    "recommend": "call it again: finished parts stay",
}


def explain(error: BaseException, arguments: Arguments, path: Path) -> tuple[str, int]:
    """The reason in one line and the exit code, 2 where the user must correct something; `path` is the run's."""
    if isinstance(error, UserError):
        return str(error), 2
    if raised := re.search(r"^recsys\.errors\.\w+: (.*)", str(error), re.MULTILINE):
        return raised[1], 2  # a UserError of a worker
    if "No space left on device" in "".join(traceback.format_exception(error)):  # or in what it came from
        output = getattr(arguments.options, "output", None) or path
        again = _AGAIN.get(arguments.job, "call it again, into a new directory")
        return f"the disk of {output}, or of an executor, {FULL} and {again}", 1
    if lost := re.search(r"FileNotFoundException: (?:File )?(\S+) (?:does not exist|\(No such file)", str(error)):
        return f"{lost[1]}: an executor does not find it: it must have this path on all machines", 2
    if refused := re.search(r"Mkdirs failed to create (\S+)|(\S+) \(Permission denied\)", str(error)):
        folder = refused[1] or refused[2]
        return f"{folder}: an executor cannot write there: name a path that all machines can write to", 2
    more = "more in run.log" if arguments.leaves_directory else "--output DIR keeps a log"
    return f"{type(error).__name__}: {first_line(error)} ({more})", 1


def first_line(error: BaseException) -> str:
    """The error in one line; for an error on an executor the last line of its Python or Java."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "Error from python worker:" in lines[:-1]:  # it did not start; its own message follows
        return f"Python does not start on an executor: {lines[lines.index('Error from python worker:') + 1]}"[:300]
    causes = [line for line in lines if re.match(r"(Caused by: )?[\w.]*(Error|Exception): ", line)]
    own = [line for line in causes if not line.startswith(("Caused by: org.apache.spark", "py4j."))]
    java = [line[2:] for line in lines if re.match(r": [\w.]+(Error|Exception): ", line)]  # py4j's second line
    return (own or java or lines or [""])[0][:300]
