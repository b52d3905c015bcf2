"""Weighted alternating least squares: users given movies, movies given users, each half solved exactly."""
