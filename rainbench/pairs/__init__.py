"""From a data set's card and a folder to checked pairs of rainy and clean images."""
