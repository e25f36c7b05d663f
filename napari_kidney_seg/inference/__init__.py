"""Running what `core.method` describes: regions, windows, stitching, fusion; `cascade` is the only loop over stages."""
