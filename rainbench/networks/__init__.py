"""Deraining networks in plain torch, one file per paper."""
