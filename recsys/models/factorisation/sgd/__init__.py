"""Factorisation by gradient descent: `mf` and `biased_mf`."""
