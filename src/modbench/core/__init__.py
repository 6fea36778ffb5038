"""What a run is: specifications, names, quantities and the expansion of a sweep. Imports no array library."""
