"""Evaluation on held-out users or ratings."""
