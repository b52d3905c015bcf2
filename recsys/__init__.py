"""Recommendations from ratings: sparse rating arrays, an autoencoder trained across Spark workers, its evaluation."""

from recsys.recommend.recommender import load_recommender

__all__ = ["load_recommender"]
