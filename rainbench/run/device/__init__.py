"""A GPU kept busy: copies beside the computing, batches, precisions, graphs."""
