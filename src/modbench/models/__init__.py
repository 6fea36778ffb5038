"""Batch -> prediction and gates: a body for each architecture, times a router (scores -> gates)."""
