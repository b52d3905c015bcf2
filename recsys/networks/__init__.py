"""The autoencoders as NumPy functions of their weights, on sparse rating arrays: what workers train and score with.

The same as the Keras models of recsys.models, which they are tested against. Nothing here imports TensorFlow: a worker
that only trains starts in a second and holds little beside its weights.
"""
