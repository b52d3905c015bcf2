"""The jobs: thin programs for spark-submit, one file each, and the launcher that starts them."""
