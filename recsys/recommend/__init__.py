"""Recommendations from a model: for one user, with titles."""

from recsys.recommend.recommender import Recommender, load_recommender, save_factors, save_model, save_movies
from recsys.recommend.sample import find_user, recommendation, render, sample_user

__all__ = [
    "Recommender",
    "find_user",
    "load_recommender",
    "recommendation",
    "render",
    "sample_user",
    "save_factors",
    "save_model",
    "save_movies",
]
