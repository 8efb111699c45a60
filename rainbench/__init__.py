"""rainbench: deraining data sets, networks, and tables that can be repeated."""

__version__ = "0.1.0"
