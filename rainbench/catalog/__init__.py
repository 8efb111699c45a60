"""Cards, and what they point at: finding, reading, fetching, loading weights."""
