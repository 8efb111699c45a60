"""Somebody's source files: what they import, and how they are kept apart from each other."""
