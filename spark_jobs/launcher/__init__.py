"""What runs before and around spark-submit: arguments, Java, packages, clean-up."""
