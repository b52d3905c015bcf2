"""Recommendations from a saved model."""
