"""Several runs of train, compared."""
