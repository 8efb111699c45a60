"""What the pixels of two pictures say of each other: alike, moved, another scene."""
