"""Elephas as it is: the baseline."""
