"""Text files that Spark's reader gets wrong or refuses: encodings, compression, quotes with line breaks, layouts."""
