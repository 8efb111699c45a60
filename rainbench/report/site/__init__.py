"""A site to publish: the tables of runs with filters, and a page for each model."""
