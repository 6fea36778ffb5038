"""Where a router of one's own is plugged in from Python.

A router is a score source times a gate function, each a class. Decorate yours with `register_gates` or
`register_scores`, then name it in a sweep: `model={"scores": "joint", "gates": "mine"}`. `modbench.run` trains such a
sweep in this process, which alone knows the class.
"""

from contextlib import suppress

from modbench.core.errors import RequestError
from modbench.sweep.executors import set_own_environment

# This process will train, and JAX takes its settings when it is imported. Too late is told by `run`, not here.
with suppress(RequestError):
    set_own_environment()

from modbench.models.routing import Gates, Scores, register_gates, register_scores

__all__ = ["Gates", "Scores", "register_gates", "register_scores"]
