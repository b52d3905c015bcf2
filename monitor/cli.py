"""The command line: python -m monitor watch ..., python -m monitor report RUN, python -m monitor compare RUN RUN."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from monitor.errors import MonitorError
from monitor.records import SAMPLES
from monitor.screen import close_screen, prepare_screen


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise MonitorError(f"{message} (python -m monitor --help shows what there is)")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command.

    Args:
        argv: The words of the command line; by default those of this process.

    Returns:
        The exit code; 2 for anything that the user must mend, which is said in one line.
    """
    prepare_screen()
    words = list(sys.argv[1:] if argv is None else argv)
    # what stands behind -- is a command with options of its own
    split = words.index("--") if "--" in words else len(words)
    try:
        options = _parser().parse_args(words[:split])
        options.command = words[split + 1 :]
        return close_screen(int(options.run(options)), "monitor")
    except MonitorError as error:
        print(f"monitor: {error}", file=sys.stderr)
        return 2


def _parser() -> _Parser:
    parser = _Parser(prog="python -m monitor", description="What every phase of a run costs.")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    _add_watch(commands)
    _add_report(commands)
    _add_compare(commands)
    _add_sidecar(commands)
    return parser


def _add_watch(commands: argparse._SubParsersAction[_Parser]) -> None:
    watch = commands.add_parser(
        "watch",
        help="run a command and sample all of its processes",
        usage="%(prog)s --output RUN [--interval SECONDS] -- COMMAND ...",
        description="Runs a command and samples it into RUN/resources; the exit code is the command's.",
    )
    watch.add_argument("--output", type=Path, metavar="RUN", help="the run's directory, a new one")
    watch.add_argument("--interval", type=float, default=0.5, metavar="SECONDS", help="0.05 to 60; default: 0.5")
    watch.set_defaults(run=_watch)


def _add_report(commands: argparse._SubParsersAction[_Parser]) -> None:
    report = commands.add_parser(
        "report",
        help="draw what the phases of a run cost, on one page",
        description="Writes RUN/report: phases.csv, phases.md, pictures, and index.html with all of it.",
    )
    report.add_argument("directory", metavar="RUN", type=Path, help="what a job, watch or monitor.record wrote")
    report.set_defaults(run=_report)


def _add_compare(commands: argparse._SubParsersAction[_Parser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="compare what the phases of several runs cost",
        description="Compares runs phase by phase; runs with the same settings count as repeats.",
    )
    compare.add_argument(
        "directories", metavar="RUN", nargs="+", type=Path, help="a run, or a directory whose folder runs/ holds runs"
    )
    compare.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("comparison"), help="default: comparison, written anew"
    )
    compare.set_defaults(run=_compare)


def _add_sidecar(commands: argparse._SubParsersAction[_Parser]) -> None:
    """How the monitor starts its own sampling process; not for users, so it has no help."""
    sidecar = commands.add_parser("sidecar")
    sidecar.add_argument("folder", type=Path)
    sidecar.add_argument("--root", type=int)  # without it: the executors that the folder names
    sidecar.add_argument("--interval", type=float, required=True)
    sidecar.add_argument("--file", default=SAMPLES)
    sidecar.add_argument("--source")
    sidecar.set_defaults(run=_sidecar)


def _compare(options: argparse.Namespace) -> int:
    from monitor.compare import compare_command

    return compare_command(options.directories, options.output)


def _report(options: argparse.Namespace) -> int:
    from monitor.report import report_command

    return report_command(options.directory)


def _watch(options: argparse.Namespace) -> int:
    from monitor.watch import watch_command

    if options.output is None:
        raise MonitorError("--output is missing: name the run's directory")
    return watch_command(options.output, options.command, options.interval)


def _sidecar(options: argparse.Namespace) -> int:
    from monitor.sampler.loop import sample_tree
    from monitor.sidecar import run_sidecar
    from monitor.sources import open_source

    folder, interval = options.folder, options.interval
    source = open_source(options.source)
    errors = folder / f"{options.file}.error"
    if options.root is not None:
        tree = lambda: sample_tree(folder, options.root, interval, file_name=options.file, source=source)  # noqa: E731
        return run_sidecar(errors, tree)
    from monitor.spark.executor import sample_executors

    return run_sidecar(errors, lambda: sample_executors(folder, interval, source))
