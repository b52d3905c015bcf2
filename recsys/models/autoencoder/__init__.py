"""Autoencoders: denoising, variational and RecVAE."""
