"""Samples of a process tree and of its machine, read from /proc."""
