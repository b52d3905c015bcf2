"""The data sets that have a name: layouts, addresses, checksums and terms. None of them is shipped."""

from collections.abc import Mapping
from types import MappingProxyType

from recsys.catalogue.amazon import ALIASES, AMAZON
from recsys.catalogue.movielens import MOVIELENS
from recsys.catalogue.others import OTHERS
from recsys.catalogue.types import Download, Feedback, FileLayout, Kind, Layout, Release, files_of

_RELEASES = {release.name: release for release in (*MOVIELENS, *OTHERS, *AMAZON)}

CATALOGUE: Mapping[str, Release] = MappingProxyType(
    {**_RELEASES, **{alias: _RELEASES[name] for alias, name in ALIASES.items()}}
)
"""Every data set by its name in the settings; an alias has the entry of the name that it stands for."""

__all__ = ["ALIASES", "CATALOGUE", "Download", "Feedback", "FileLayout", "Kind", "Layout", "Release", "files_of"]
