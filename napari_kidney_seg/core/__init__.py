"""Vocabulary of the package: plain, immutable data. No files, no networks, no torch at import."""
