"""Planning, predicting, scoring and storing: the benchmark engine."""
