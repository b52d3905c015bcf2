"""Keras models and their losses."""

from recsys.models.autoencoder import build_autoencoder

__all__ = ["build_autoencoder"]
