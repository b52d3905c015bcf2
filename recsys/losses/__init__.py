"""Losses: one class each, with definition, gradient and whether outputs predict ratings."""
