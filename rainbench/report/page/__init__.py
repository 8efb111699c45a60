"""The report of a run: one HTML page with tables, plots and pictures, that opens from disk."""
