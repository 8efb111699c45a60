"""Builders of deraining data sets."""
