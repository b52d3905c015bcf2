"""The autoencoders on sparse rating arrays: what workers train and score with. No TensorFlow here.

Matrix products are NumPy's. The rest exists twice: `numpy_steps` and `numpy_layers` are the reference,
`compiled_steps` and `compiled_layers` are faster. The Keras models beside them are the definition.
"""
