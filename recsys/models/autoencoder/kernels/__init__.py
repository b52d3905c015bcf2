"""The autoencoders in NumPy, on sparse rating arrays: what workers train and score with. No TensorFlow here.

The Keras models beside them are the definition that these are tested against.
"""
