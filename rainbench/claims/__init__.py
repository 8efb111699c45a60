"""The papers' claims, evaluated on their tables, on shipped weights and by small trainings."""
