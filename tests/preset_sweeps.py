"""The sweeps that ship with modbench, each read once: some have 20,000 runs."""

from functools import cache

from modbench.core.grid import load_sweep

preset = cache(load_sweep)
"""`load_sweep`, which remembers; overrides are a tuple."""
