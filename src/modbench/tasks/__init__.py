"""Rules -> batches: what is to be learned, with the modules that are really in the data."""
