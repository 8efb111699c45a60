"""Rain over one image: streaks, drops, mist, and their masks."""
