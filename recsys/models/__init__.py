"""Model families: one class each, all with the same contract."""
