"""The clean frame behind a rainy sequence: methods, and an estimate of their quality."""
