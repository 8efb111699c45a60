"""Clips in a run: restored as a whole, and scored frame by frame."""
