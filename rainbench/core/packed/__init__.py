"""Folders that are one file, or a saved table: archives and Arrow data sets, read in place."""
