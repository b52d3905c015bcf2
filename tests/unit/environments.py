"""Python environments without howdah: links to the libraries of the one that runs the tests, all or some of them."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from fake_java import ROOT

LIBRARIES = Path(sysconfig.get_path("purelib"))


def make_environment(folder: Path, names: Iterable[str] | None = None) -> Path:
    """An environment in `folder` with the top-level modules `names`, or with all but howdah; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    own = LIBRARIES.relative_to(sys.prefix)
    for path in LIBRARIES.iterdir():
        if "howdah" not in path.name and (names is None or path.name in names):
            (folder / own / path.name).symlink_to(path)
    return folder / "bin" / "python"


def install_howdah(folder: Path, scratch: Path) -> Path:
    """Installs this checkout into an environment as pip does, by a wheel; the folder that the packages lie in."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(scratch)]
    source = scratch / "source"
    source.mkdir(parents=True)
    for name in ("recsys", "monitor", "spark_jobs", "conf", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, timeout=120)
    (wheel,) = scratch.glob("*.whl")
    target = folder / LIBRARIES.relative_to(sys.prefix)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def modules_of(name: str) -> set[str]:
    """The entries of the library folder that a distribution and all that it requires without extras consist of."""
    entries: set[str] = set()
    todo, done = [name], set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another system or Python
            continue
        entries |= {path.parts[0] for path in found.files or () if path.parts[0] != ".."}
        for requirement in found.requires or ():
            if "extra ==" not in requirement:
                todo.append(re.split(r"[^\w.-]", requirement)[0])
    return entries
