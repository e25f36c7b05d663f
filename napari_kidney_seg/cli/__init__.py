"""The command line: the same verbs as in the window, without one. Nothing heavy is imported before it is needed."""

from napari_kidney_seg.cli.app import app, main

__all__ = ["app", "main"]
