"""Matrix factorisation: users and movies as vectors, whose products stand for ratings."""
