"""From photographs to a data set of synthetic rain."""
