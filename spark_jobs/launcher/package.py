"""The packages as one archive, which Spark ships to wherever the job runs."""

from __future__ import annotations

import hashlib
import os
import py_compile
import zipfile
from pathlib import Path

PACKAGES = ("recsys", "monitor", "spark_jobs")
_UNCHECKED_HASH = py_compile.PycInvalidationMode.UNCHECKED_HASH


def pack(root: Path, folder: Path) -> Path:
    """Packs the packages of `root` into an archive in `folder` for --py-files; its path.

    The archive is named by its content, so that two versions never meet. It holds compiled modules beside the sources:
    Python never writes bytecode for what it imports from an archive, and every worker would compile it again. A Python
    of another version takes the sources.
    """
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    archive = folder / f"howdah-{digest.hexdigest()[:16]}.zip"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{os.getpid()}.zip"
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in files:
                name = path.relative_to(root)
                packed.write(path, name)
                compiled = py_compile.compile(
                    str(path), f"{temporary}.pyc", str(name), True, invalidation_mode=_UNCHECKED_HASH
                )
                packed.write(str(compiled), name.with_suffix(".pyc"))
        Path(f"{temporary}.pyc").unlink()
        temporary.replace(archive)
    return archive
