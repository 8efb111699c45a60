"""Work of any kind on many processes and machines, by Dask; docs/scaling.md says how."""
