"""Tables, comparisons and statistics over stored results."""
