"""Local SGD: workers train by themselves for a round, then their changes are averaged."""
