"""The papers' own tables: how each is printed, and what was measured beside it."""
