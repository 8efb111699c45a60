"""From videos to a data set of real rain/clean pairs, as SPANet's authors made theirs."""
