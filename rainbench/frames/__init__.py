"""Sequences of frames: where they come from, how they are held, how they are aligned."""
