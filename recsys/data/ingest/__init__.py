"""The data phases: rows are parsed, rejected rows kept aside, ratings joined with movies and gathered by user."""
