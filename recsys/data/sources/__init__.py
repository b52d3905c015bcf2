"""Where ratings and movies come from: the catalogue, downloads, generated data, files and DataFrames."""
