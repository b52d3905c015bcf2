"""Secrets, a standalone cluster's and those of the settings: into a file, and into no list of processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.errors import UserError
from spark_jobs.launcher.arguments import Arguments

SECRET_FILE = "HOWDAH_SPARK_SECRET_FILE"


def cluster_secret(arguments: Arguments, place: str) -> dict[str, str]:
    """What a standalone cluster and its users share, where conf/spark/standalone.conf has authentication on.

    UserError where it is needed and not given.
    """
    given = (*arguments.spark_options, *arguments.config.spark)
    own = arguments.options.spark_conf or any("spark.authenticate" in word for word in given)
    if not arguments.needs_spark or own or place != "standalone":
        return {}
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
    return {"spark.authenticate.secret": secret}


def with_secrets(properties: Path, secrets: Mapping[str, Any], scratch: Path) -> Path:
    """The properties with the secrets, in a file of the user's own that goes when the job ends: no list of processes
    shows them."""
    file = scratch / "spark.conf"
    file.touch(mode=0o600)
    lines = "".join(f"{key} {value}\n" for key, value in secrets.items())
    file.write_text(f"{properties.read_text(encoding='utf-8')}\n{lines}", encoding="utf-8")
    return file
