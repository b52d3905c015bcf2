"""The sampler: which processes belong to a run, what they use, and the loop that looks at them."""
