"""Reading and writing videos, frame by frame."""
