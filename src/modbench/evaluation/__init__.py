"""Parameters -> numbers: performance under shifts, activation matrices, the five metrics."""
