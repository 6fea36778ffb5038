"""Sweeps that ship with modbench, as data."""
