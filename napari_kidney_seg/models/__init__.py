"""Bundled weights, one file per method; each carries its card."""
