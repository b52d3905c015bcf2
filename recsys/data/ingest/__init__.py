"""The data phases: rows are parsed, rejected rows collected, ratings joined with movies and gathered by user."""
