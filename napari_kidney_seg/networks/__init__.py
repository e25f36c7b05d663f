"""One family of networks per file; layers only, no sizes of a method."""
