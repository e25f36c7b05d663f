"""Segmentation of kidneys, renal tumors and renal cysts on abdominal CT, in napari and on the command line."""

__version__ = "0.1.0"
