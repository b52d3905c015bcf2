"""Any Keras model from a user's function."""
