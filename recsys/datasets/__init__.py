"""Where data sets come from: the catalogue of MovieLens releases, their download, and generated data."""

from recsys.datasets.catalogue import CATALOGUE, Dataset, FileLayout
from recsys.datasets.download import fetch, find
from recsys.datasets.synthetic import SyntheticFacts, find_generated, generate

__all__ = ["CATALOGUE", "Dataset", "FileLayout", "SyntheticFacts", "fetch", "find", "find_generated", "generate"]
