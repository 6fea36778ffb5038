"""modbench: do modular neural networks collapse, specialise, and profit from it?

Example::

    import modbench as mb

    results = mb.run("smoke")          # train what is missing, and load it; mb.load(DIR) loads alone
    results                            # in a notebook: a card
    results.summary()                  # averages with intervals, as a pandas table
    results.compare("modular", "monolithic")
    results.plot.error()               # a Matplotlib figure
    results.chart.error()              # an Altair chart, to be explored

Names are looked up when they are first used, so that importing modbench costs nothing: `dir(modbench)` lists them,
`docs/python.md` explains them.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "modbench.api.running": ("run",),
    "modbench.api.results": ("Results", "load"),
    "modbench.api.routers": ("Gates", "Scores", "register_gates", "register_scores"),
    "modbench.core.errors": ("MachineError", "ModbenchError", "RequestError"),
    "modbench.core.grid": ("Sweep", "load_sweep", "parse_sweep", "preset_names"),
    "modbench.core.spec": ("RunSpec",),
    "modbench.evaluation.trained": ("TrainedRun",),
    "modbench.store.params": ("load_params",),
    "modbench.metrics": ("joint", "joint_from_topk", "joint_from_trace", "routing_metrics"),
}
"""Where names live; `__init__.pyi` tells the same to type checkers, and a test that it does."""
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'modbench' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__", "__doc__", "__file__", "__name__", "__path__"])
