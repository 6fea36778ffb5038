"""Ours against the original implementation and against stacked PyTorch, in one run and by turns."""
