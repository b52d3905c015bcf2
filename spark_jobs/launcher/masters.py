"""Spark masters: which forms there are, and the cluster manager that each names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from recsys.errors import UserError

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+)"
_MANAGERS = {
    "local": r"local|local\[(\*|[1-9]\d*)(,[1-9]\d*)?\]|local-cluster\[[1-9]\d*,[1-9]\d*,[1-9]\d*\]",
    "standalone": rf"spark://{_HOST}:\d+(,{_HOST}:\d+)*",
    "yarn": "yarn",
    "kubernetes": rf"k8s://(https?://)?{_HOST}(:\d+)?(/\S*)?",
}
FORMS = "local[N], local[*], spark://HOST:PORT, yarn, k8s://https://HOST:PORT"


def manager_of(master: str) -> str:
    """The cluster manager of a master, as conf/spark names its file: local, standalone, yarn or kubernetes.

    Raises:
        UserError: It is no master that Spark 4.0 knows.
    """
    for name, pattern in _MANAGERS.items():
        if re.fullmatch(pattern, master):
            return name
    raise UserError(f"--master {master}: is no Spark master: write one of {FORMS}")


def check_master(master: str, environment: Mapping[str, str] = os.environ) -> None:
    """UserError where Spark would refuse the master at its start."""
    if manager_of(master) == "yarn" and not (environment.get("HADOOP_CONF_DIR") or environment.get("YARN_CONF_DIR")):
        raise UserError("--master yarn: set HADOOP_CONF_DIR to the folder with the cluster's yarn-site.xml")
