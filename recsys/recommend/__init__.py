"""Recommendations from a model: for one user, with titles."""

from recsys.recommend.everyone import Ranker, check_output, fingerprint, movie_index, recommend_to_all
from recsys.recommend.recommender import (
    Recommender,
    load_model,
    load_recommender,
    save_factors,
    save_model,
    save_movies,
)
from recsys.recommend.sample import find_user, recommendation, render, sample_user

__all__ = [
    "Ranker",
    "Recommender",
    "check_output",
    "find_user",
    "fingerprint",
    "load_model",
    "load_recommender",
    "movie_index",
    "recommend_to_all",
    "recommendation",
    "render",
    "sample_user",
    "save_factors",
    "save_model",
    "save_movies",
]
