"""What a pixel shows over time, and which of it is the scene."""
