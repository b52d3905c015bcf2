"""The training loop and the ways to train across workers."""
