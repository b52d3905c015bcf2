"""The options of the job recommend."""

from __future__ import annotations

import argparse

from recsys.errors import UserError


def add_recommend_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to the job's parser."""
    parser.add_argument("--model", metavar="DIR", help="a run directory of train, or its model folder (required)")
    parser.add_argument("--user", metavar="ID", help="a user of the data that the model was trained on")
    parser.add_argument("--ratings", metavar="TEXT", help="instead of a user: 'Movie title=4.5, Another title=3'")
    parser.add_argument("--all", action="store_true", help="instead of a user: every user of the data, as Parquet")
    parser.add_argument("--top", type=positive, default=10, metavar="N", help="how many movies (default: 10)")
    parser.add_argument(
        "--prepared", metavar="DIR", help="with --user or --all: the data set of users, instead of the model's own data"
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="with --all: executors, or local cores (default: all cores)"
    )
    parser.add_argument(
        "--output", metavar="DIR",
        help="also write recommendations.json there (default: screen only); with --all the folder for Parquet files, "
        "on any file system that Spark can write to",
    )  # fmt: skip


def check_recommend(options: argparse.Namespace) -> None:
    """Checks what argparse cannot check of recommend's options; UserError where they do not fit together."""
    if not options.model:
        raise UserError("--model is needed: the run directory of a finished train")
    if [bool(options.user), bool(options.ratings), options.all].count(True) != 1:
        raise UserError("--user ID, --ratings 'Movie title=4.5, ...' or --all is needed, and only one of them")
    if options.all and not options.output:
        raise UserError("--all needs --output: the folder for the Parquet files")
    if options.workers and not options.all:
        raise UserError("--workers goes with --all: one user needs no workers")
    if options.ratings and options.prepared:
        raise UserError("--prepared goes with --user and --all: new ratings need no data set")


def positive(text: str) -> int:
    """The whole number of an option, from 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return number
