"""The secret that a standalone cluster asks for: from a file, into a file, and into no list of processes."""

from __future__ import annotations

import os
from pathlib import Path

from recsys.errors import UserError
from spark_jobs._arguments import Arguments

SECRET_FILE = "HOWDAH_SPARK_SECRET_FILE"


def cluster_secret(arguments: Arguments, place: str) -> str:
    """What a standalone cluster and its users share, where conf/spark/standalone.conf has authentication on; else "".

    UserError where it is needed and not given.
    """
    given = (*arguments.spark_options, *arguments.config.spark)
    own = arguments.options.spark_conf or any("spark.authenticate" in word for word in given)
    if not arguments.needs_spark or own or place != "standalone":
        return ""
    name = os.environ.get(SECRET_FILE, "")
    try:
        secret = Path(name).read_text(encoding="utf-8").strip() if name else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{SECRET_FILE}={name}: cannot be read: {error}") from None
    if not secret:
        raise UserError(
            f"{arguments.master}: set {SECRET_FILE} to the file that holds the cluster's spark.authenticate.secret "
            "(docs/cluster.md); for a cluster without authentication add -- --conf spark.authenticate=false"
        )
    return secret


def with_secret(properties: Path, secret: str, scratch: Path) -> Path:
    """The properties with the secret, in a file of the user's own that goes when the job ends: no list of processes
    shows it."""
    file = scratch / "spark.conf"
    file.touch(mode=0o600)
    text = properties.read_text(encoding="utf-8")
    file.write_text(f"{text}\nspark.authenticate.secret {secret}\n", encoding="utf-8")
    return file
