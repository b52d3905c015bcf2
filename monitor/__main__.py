"""The command line: python -m monitor watch ..., python -m monitor report RUN, python -m monitor compare RUN RUN."""

from __future__ import annotations

import argparse
import gc
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from monitor.errors import MonitorError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise MonitorError(f"{message} (python -m monitor --help tells more)")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns its exit code; 2 for anything that the user must mend."""
    words = list(sys.argv[1:] if argv is None else argv)
    # what stands behind -- is a command with options of its own
    place = words.index("--") if "--" in words else len(words)
    try:
        options = _parser().parse_args(words[:place])
        options.command = words[place + 1 :]
        return int(options.run(options))
    except MonitorError as error:
        print(f"monitor: {error}", file=sys.stderr)
        return 2


def _parser() -> _Parser:
    parser = _Parser(prog="python -m monitor", description="What every phase of a run costs.")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    _add_watch(commands)
    _add_report(commands)
    _add_compare(commands)
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
    # how a sidecar is started, by monitor.watch
    watch.add_argument("--resources", type=Path, help=argparse.SUPPRESS)
    watch.add_argument("--root", type=int, help=argparse.SUPPRESS)
    watch.add_argument("--file", default="samples.jsonl", help=argparse.SUPPRESS)
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
        "directories", metavar="RUN", nargs="+", type=Path, help="a run, or what ./spark-submit.sh compare left"
    )
    compare.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("comparison"), help="default: comparison, written anew"
    )
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from monitor.compare import compare_command

    return compare_command(options.directories, options.output)


def _report(options: argparse.Namespace) -> int:
    from monitor.report.make import report_command

    return report_command(options.directory)


def _watch(options: argparse.Namespace) -> int:
    if options.resources is not None and options.root is not None:
        from monitor.sampling.sampler import sample_until_end

        gc.freeze()
        gc.disable()  # there are no cycles, and looking for them costs as much as a sample
        try:
            sample_until_end(options.resources, options.root, options.interval, file_name=options.file)
        except Exception:
            # it has no terminal and no log: a mistake of ours would go unseen
            (options.resources / f"{options.file}.error").write_text(traceback.format_exc(), encoding="utf-8")
            raise
        return 0
    if options.output is None:
        raise MonitorError("--output is missing: name the run's directory")
    from monitor.command import watch_command

    return watch_command(options.output, options.command, options.interval)


if __name__ == "__main__":
    sys.exit(main())
