"""A saved model: what it consists of on disk, written during training and read without Spark and TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.checksums import check_digests, digest_of, read_sealed, write_sealed
from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.models.base import ModelFamily, Scorer
from recsys.models.files import kind_of, read_scorer, scorer_folder, write_scorer
from recsys.models.fold_in import FoldIn
from recsys.recommend.items import FILE as ITEMS
from recsys.recommend.items import Items, write_items
from recsys.recommend.recommender import Recommender
from recsys.registries import FAMILIES

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 3
PREPROCESSING = "preprocessing.json"
_FOLD_IN = "fold_in"


def save_items(
    directory: str | Path, items: pd.DataFrame, preprocessing: Preprocessing, loss: str, orientation: str = "user"
) -> None:
    """Writes items.parquet and preprocessing.json, what a model needs beside itself."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    write_items(folder / ITEMS, items)
    digests = {ITEMS: digest_of(folder / ITEMS)}
    described = {"format_version": FORMAT_VERSION, "loss": loss, "orientation": orientation}
    write_sealed(folder / PREPROCESSING, {**described, **preprocessing.to_mapping(), "sha256": digests})


def save_fold_in(directory: str | Path, model: ModelFamily, fold_in: FoldIn) -> None:
    """Writes the folder fold_in: what scores users by a model of movies' arrays, whose inputs are not saved."""
    arrays = {"mean": fold_in.mean, "traits": fold_in.traits}
    write_scorer(Path(directory) / _FOLD_IN, model.config, fold_in.preprocessing, arrays, noise=fold_in.noise)


def load_recommender(model_dir: str | Path) -> Recommender:
    """The recommender in a run directory's `model` folder (or the run directory itself).

    Needs neither Spark nor TensorFlow, but where the model is a Keras model of the user's.

    Raises:
        UserError: there is no model, it was changed since it was written, or another version wrote it.
    """
    folder = model_folder(model_dir)
    missing = [name for name in (ITEMS, PREPROCESSING) if not (folder / name).exists()]
    if missing:
        raise UserError(f"{folder}: no saved model ({', '.join(missing)} missing): give a run directory of train")
    with readable(folder / PREPROCESSING):
        described = read_sealed(folder / PREPROCESSING)
        version = described.pop("format_version")
    if version != FORMAT_VERSION:
        raise UserError(f"{folder}: saved by another version of howdah (format {version}): train again")
    with readable(folder / ITEMS):
        check_digests(folder, described["sha256"])
        items = Items.read(folder / ITEMS)
    orientation = described["orientation"]
    if orientation == "movie" and not (folder / _FOLD_IN).exists():
        raise UserError(f"{folder}: {_FOLD_IN} missing, which is written when the training has ended: train again")
    scorer = _fold_in(folder) if orientation == "movie" else load_model(folder).scorer()
    return Recommender(scorer, items, described["loss"])


def read_items(model_dir: str | Path) -> pd.DataFrame:
    """items.parquet of a saved model that is whole; UserError as `load_recommender`."""
    import pandas

    load_recommender(model_dir)
    return pandas.read_parquet(model_folder(model_dir) / ITEMS)


def load_model(model_dir: str | Path) -> ModelFamily:
    """The model itself, of a run directory or its `model` folder. Raises UserError as `load_recommender`."""
    folder = model_folder(model_dir)
    if not scorer_folder(folder).exists():
        raise UserError(f"{folder}: no saved model (scorer missing): give a run directory of train, or train again")
    with readable(folder / "scorer"):
        return FAMILIES.get(kind_of(folder)).load(folder)


def model_folder(model_dir: str | Path) -> Path:
    """The model's folder, of a run directory or itself."""
    folder = Path(model_dir)
    return folder / "model" if not (folder / PREPROCESSING).exists() and (folder / "model").is_dir() else folder


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """UserError, with the file's name, for whatever is wrong with a saved file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # as many kinds as there are libraries that read it
        what = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{file}: was changed or cut off since it was written ({what[0]}): train again") from error


def _fold_in(folder: Path) -> Scorer:
    with readable(folder / _FOLD_IN):
        saved = read_scorer(folder / _FOLD_IN)
        return FoldIn(saved.arrays["mean"], saved.arrays["traits"], saved.facts["noise"], saved.preprocessing)
