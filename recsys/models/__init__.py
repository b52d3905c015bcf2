"""Keras models and their losses."""

from recsys.models.autoencoder import build_autoencoder
from recsys.models.build import build_model
from recsys.models.ease import item_weights
from recsys.models.linear import set_item_weights

__all__ = ["build_autoencoder", "build_model", "item_weights", "set_item_weights"]
