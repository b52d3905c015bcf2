"""What Spark knows of its own work, and sidecars beside its executors. pyspark is imported in functions alone."""
