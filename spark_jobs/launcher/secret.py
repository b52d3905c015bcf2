"""Secrets of a standalone cluster and of the settings: they go into a file, never into a command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.errors import UserError
from spark_jobs.launcher.arguments import Arguments

SECRET_FILE = "HOWDAH_SPARK_SECRET_FILE"


def cluster_secret(arguments: Arguments, manager: str) -> dict[str, str]:
    """The secret of a standalone cluster, as a Spark property, where conf/spark/standalone.conf has authentication on.

    UserError where it is needed and not given.
    """
    words = (*arguments.spark_options, *arguments.config.spark)
    own = arguments.options.spark_conf or any("spark.authenticate" in word for word in words)
    if own or manager != "standalone":
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
    """A copy of the properties file with the secrets added, in `scratch`, readable by its owner alone; its path."""
    file = scratch / "spark.conf"
    file.touch(mode=0o600)
    lines = "".join(f"{key} {value}\n" for key, value in secrets.items())
    file.write_text(f"{properties.read_text(encoding='utf-8')}\n{lines}", encoding="utf-8")
    return file
