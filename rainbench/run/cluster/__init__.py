"""A run on many processes and machines, by Dask; docs/scaling.md says how it is thought."""
