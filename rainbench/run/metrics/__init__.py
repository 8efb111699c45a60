"""Metrics beside the protocols in a run: measured image by image, kept beside each cell."""
