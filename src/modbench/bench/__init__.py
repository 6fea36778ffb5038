"""How fast training is on this machine, shape by shape."""
