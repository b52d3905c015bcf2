"""Generated ratings in the shape of MovieLens 25M."""
