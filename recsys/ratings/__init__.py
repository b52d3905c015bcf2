"""From files of ratings and movies to blocks of rating arrays, split into training, validation and test."""

from recsys.ratings.examples import Examples, Preprocessing
from recsys.ratings.parts import Part, deal
from recsys.ratings.prepare import Prepared, prepare
from recsys.ratings.sources import Sources, find_sources
from recsys.ratings.split import TEST, TRAIN, VALIDATION
from recsys.ratings.store import load_prepared, save_prepared, with_prepared_data

__all__ = [
    "TEST", "TRAIN", "VALIDATION", "Examples", "Part", "Prepared", "Preprocessing", "Sources", "deal", "find_sources",
    "load_prepared", "prepare", "save_prepared", "with_prepared_data",
]  # fmt: skip
