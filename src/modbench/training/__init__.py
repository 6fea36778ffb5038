"""Task x model -> parameters: many runs as one compiled program."""
