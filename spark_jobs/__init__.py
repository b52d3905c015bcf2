"""The jobs: thin programs for spark-submit, one file each; what they share starts with an underscore."""
